import type { rest } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { minimumQuality, type Face } from '@sightline/recognition';

/**
 * The face of a photo that is meant, good enough to be compared.
 *
 * @param faces largest first
 * @param photo name of the file, for who sent it
 * @throws AppError `VERIFICATION.NO_FACE`, `VERIFICATION.SEVERAL_FACES`, `VERIFICATION.LOW_QUALITY`
 */
export function chooseFace(faces: readonly Face[], choice: rest.VerifyQuery['face'], photo: string): Face {
  const [largest, ...others] = faces;
  const details = { photo, faces: faces.length };
  if (largest === undefined) {
    throw new AppError('VERIFICATION.NO_FACE', `No face was found in the file "${photo}".`, { details });
  }
  if (others.length > 0 && choice === 'only') {
    throw new AppError(
      'VERIFICATION.SEVERAL_FACES',
      `The file "${photo}" shows ${faces.length} faces: send a photo of one, or ask for face=largest.`,
      { details },
    );
  }
  if (largest.quality < minimumQuality.verification) {
    throw new AppError(
      'VERIFICATION.LOW_QUALITY',
      `The face in the file "${photo}" is too small, blurred, turned or badly lit.`,
      { details: { photo, quality: largest.quality, minimum: minimumQuality.verification } },
    );
  }
  return largest;
}
