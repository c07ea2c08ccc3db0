// Kernels of the flat gallery, in AssemblyScript: TypeScript's grammar with WebAssembly's types.
// `npm run generate` compiles them into src/generated.

export { rank } from './rank';
export { scan, scanListed } from './scan';
