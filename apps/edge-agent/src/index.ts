export {
  demoScriptSchema,
  demoTruthSchema,
  type DemoScript,
  type DemoScriptInput,
  type DemoTruth,
} from './capture/demo/script.js';
