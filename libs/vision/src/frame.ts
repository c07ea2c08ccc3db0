/**
 * A decoded picture: `width × height × 3` bytes, RGB interleaved, rows from the top, no padding. Over a
 * SharedArrayBuffer it reaches other threads without being copied.
 */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A point in pixels of the frame; pixel centres lie at integers. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A rectangle in pixels of the frame; may reach over its edges. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Whether a frame's bytes can be read in other threads as they are. */
export function isShared({ data }: Frame): boolean {
  return data.buffer instanceof SharedArrayBuffer;
}
