export { startStandInQdrant, type Fault, type StandInOptions, type StandInQdrant } from './stand-in-qdrant.js';
