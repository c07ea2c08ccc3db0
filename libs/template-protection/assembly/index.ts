// Kernels for templates, in AssemblyScript: TypeScript's grammar with WebAssembly's types.
// `npm run generate` compiles them into src/generated.

export { multiply } from './multiply';
export { scan } from './scan';
