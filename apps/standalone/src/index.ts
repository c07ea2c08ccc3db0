export { CloudClient } from './demo/cloud-client.js';
export { prepareEdgeProcess, type RunningEdge } from './demo/edge-process.js';
export { enrolCast } from './demo/enrol-cast.js';
export { startHubProcess, type RunningHub } from './demo/hub-process.js';
export { passOf } from './demo/scoring.js';
export { readTruth } from './demo/truth.js';
export { openWorkspace, type DemoWorkspace } from './demo/workspace.js';
