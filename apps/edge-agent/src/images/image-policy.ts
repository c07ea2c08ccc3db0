import { z } from 'zod';

/** What the cloud desires of a box that keeps images; a box that is desired nothing of the kind keeps none. */
export const imagePolicySchema = z.object({
  /** X25519, 32 bytes. */
  publicKey: z.custom<Uint8Array>((key) => key instanceof Uint8Array && key.length === 32, '32 bytes'),
  /** Base address of the cloud API. */
  uploadUrl: z.url({ protocol: /^https?$/ }),
  minimumQuality: z.number().min(0).max(1),
  sampleRate: z.number().gt(0).max(1),
  /** From midnight to midnight, UTC. */
  maximumBytesPerDay: z.number().int().min(1),
});
export type ImagePolicy = Readonly<z.infer<typeof imagePolicySchema>>;
