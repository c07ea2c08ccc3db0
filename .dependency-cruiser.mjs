/**
 * Which package may import which. Direction: apps → adapters → pure libraries → kernel.
 * The table is docs/architecture.md's; a new edge is a decision, not an accident.
 */
const mayImport = {
  kernel: [],
  host: ['kernel'],
  contracts: ['kernel'],
  vision: ['kernel'],
  matching: ['kernel'],
  'template-protection': ['kernel'],
  'onnx-runtime': ['kernel'],
  recognition: ['kernel', 'contracts', 'vision', 'onnx-runtime', 'template-protection'],
  gallery: ['kernel', 'matching', 'template-protection', 'onnx-runtime'],
  'model-tools': ['kernel', 'onnx-runtime'],
  'model-catalog': ['kernel', 'host', 'contracts', 'model-tools'],
  'release-trust': ['kernel', 'host', 'contracts'],
  messaging: ['kernel', 'contracts'],
  database: ['kernel', 'host'],
  jobs: ['kernel', 'database'],
  observability: ['kernel'],
  'rest-server': ['kernel', 'contracts', 'observability', 'database'],
};
const pure = '^libs/(kernel|contracts|vision|matching|template-protection)/src';
const tests = '\\.test\\.ts$|/testing/|conformance';

export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...Object.entries(mayImport).map(([name, allowed]) => ({
      name: `${name}-imports`,
      comment: `libs/${name} may import ${allowed.join(', ') || 'no other library'}`,
      severity: 'error',
      from: { path: `^libs/${name}/src`, pathNot: tests },
      to: { path: '^libs/', pathNot: [name, ...allowed].map((lib) => `^libs/${lib}/`) },
    })),
    {
      name: 'libs-never-import-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'apps-never-import-apps',
      comment: 'standalone alone starts the others, through their public start functions',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/standalone/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'only-public-entries',
      comment: 'no import past a package’s index (or a subpath that it exports)',
      severity: 'error',
      from: { path: '^(libs|apps)/([^/]+)/' },
      to: {
        path: '^(libs|apps)/[^/]+/(src|dist)/',
        pathNot: ['^$1/$2/', '/(src|dist)/(testing/)?(index|conformance|testing)\\.(js|ts|d\\.ts)$'],
      },
    },
    {
      name: 'pure-libraries-do-no-io',
      severity: 'error',
      from: { path: pure, pathNot: tests },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer|timers/promises)$' },
    },
    {
      name: 'testing-is-for-tests',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: `${tests}|^libs/testing/` },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'declared-dependencies',
      severity: 'error',
      from: { path: '^(libs|apps)/[^/]+/src', pathNot: tests },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '(^|/)dist/'] },
    exclude: { path: '(^|/)(dist|generated)/.*\\.map$' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
