import sharp from 'sharp';

const QUALITY = 90;

/**
 * An aligned face as a JPEG without any metadata: the very crop that its template was made of (112 × 112 pixels with the
 * default models), cut from a frame whose privacy zones were blackened already, and nothing around it.
 *
 * @param aligned RGB, a square
 * @returns undefined when it is no square
 */
export async function faceJpeg(aligned: Uint8Array): Promise<Uint8Array | undefined> {
  const side = Math.sqrt(aligned.length / 3);
  if (!Number.isInteger(side) || side === 0) return undefined;
  // A copy: what workers share is no memory for the encoder.
  const raw = { raw: { width: side, height: side, channels: 3 as const } };
  return new Uint8Array(await sharp(Buffer.from(aligned), raw).jpeg({ quality: QUALITY }).toBuffer());
}
