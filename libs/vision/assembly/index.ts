// Kernels for resampling pictures, in AssemblyScript: TypeScript's grammar with WebAssembly's types.
// `npm run generate` compiles them into src/generated. A call is setFrame, setMap, setOutput, then an output.

export { halve } from './halving';
export { setFrame, setMap, setOutput, workBytes } from './sampling';
export { toGrey, toPicture, toPlanes } from './outputs';
export { statistics } from './statistics';
