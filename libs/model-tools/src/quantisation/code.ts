/** How a float value is coded as an integer from 0 to 255: value = scale · (integer − zeroPoint). */
export interface Code {
  /** A 32-bit float, positive. */
  readonly scale: number;
  /** 0 to 255, so that 0 is coded exactly. */
  readonly zeroPoint: number;
}

/** The values that are told apart; what is beyond becomes the limit. */
export interface Range {
  /** At most 0. */
  readonly low: number;
  /** At least 0. */
  readonly high: number;
}

const LEVELS = 255;

/** The code whose limits are as near to the range as a zero point that is an integer allows. */
export function codeOf({ low, high }: Range): Code {
  const scale = Math.fround((high - low) / LEVELS);
  if (!(scale > 0)) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: Math.min(LEVELS, Math.max(0, Math.round(-low / scale))) };
}
