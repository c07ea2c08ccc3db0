import type { Box, Frame } from './frame.js';

/** One of a box's numbers: its expected value and change a second, and their covariance. */
interface Axis {
  readonly value: number;
  readonly speed: number;
  readonly valueVariance: number;
  readonly covariance: number;
  readonly speedVariance: number;
}

/** How one number is measured and moves; standard deviations. */
interface AxisModel {
  readonly measurement: number;
  readonly speed: number;
}

/**
 * Where a face is believed to be: its centre, in pixels, and the logarithms of its width and height. Each is
 * followed by a Kalman filter of its own, which is what SORT's and ByteTrack's (Bewley et al. 2016, Zhang et al.
 * 2022) come to, since their matrices couple no two of them. Two things differ. Time is in seconds, not frames.
 * And the speed is an Ornstein–Uhlenbeck process: it forgets itself within about {@link PERSISTENCE_SECONDS}, so
 * a face that is out of sight slows down where it is, and doubt about its speed does not grow without bound.
 */
export interface BoxMotion {
  readonly x: Axis;
  readonly y: Axis;
  readonly logWidth: Axis;
  readonly logHeight: Axis;
}

/** After so long somebody walks in another direction, s. */
const PERSISTENCE_SECONDS = 1;
/** A face 0.2 m high before a camera; people walk at up to 1.5 m/s and turn their heads. In face sizes (a second). */
const CENTRE: AxisModel = { measurement: 0.06, speed: 3 };
/** Who walks at 1.5 m/s towards a camera 3 m away grows by half a second⁻¹. In logarithms (a second). */
const LOG_SIZE: AxisModel = { measurement: 0.08, speed: 0.5 };
/** Longer gaps tell no more: doubt has long reached its bound. */
const LONGEST_SECONDS = 3600;
const SMALLEST_SIDE = 1;
/** A detection that the detector was unsure of lies less exactly: factor on the standard deviation. */
export const FAINT_NOISE = 2;

/** Whether a box can be followed: finite, not empty, and not larger or farther away than any picture. */
export function isTrackable({ x, y, width, height }: Box): boolean {
  const limit = 1e7;
  return Math.abs(x) <= limit && Math.abs(y) <= limit && width > 0 && width <= limit && height > 0 && height <= limit;
}

/** What is believed after one look. @param box trackable */
export function motionFrom(box: Box): BoxMotion {
  const size = sizeOf(box);
  const begin = (value: number, { measurement, speed }: AxisModel, unit: number): Axis => ({
    value,
    speed: 0,
    valueVariance: (measurement * unit) ** 2,
    covariance: 0,
    speedVariance: (speed * unit) ** 2,
  });
  const { x, y, logWidth, logHeight } = measure(box);
  return {
    x: begin(x, CENTRE, size),
    y: begin(y, CENTRE, size),
    logWidth: begin(logWidth, LOG_SIZE, 1),
    logHeight: begin(logHeight, LOG_SIZE, 1),
  };
}

/** What is believed after some time without a look. @param seconds 0 or more */
export function predict(motion: BoxMotion, seconds: number): BoxMotion {
  const after = Math.min(seconds, LONGEST_SECONDS);
  const size = Math.exp((motion.logWidth.value + motion.logHeight.value) / 2);
  return {
    x: predictAxis(motion.x, after, CENTRE.speed * size),
    y: predictAxis(motion.y, after, CENTRE.speed * size),
    logWidth: predictAxis(motion.logWidth, after, LOG_SIZE.speed),
    logHeight: predictAxis(motion.logHeight, after, LOG_SIZE.speed),
  };
}

/**
 * What is believed after a look.
 *
 * @param predicted for the time of the look
 * @param noise factor on the standard deviation of the measurement
 */
export function correct(predicted: BoxMotion, box: Box, noise = 1): BoxMotion {
  const seen = measure(box);
  const inPixels = CENTRE.measurement * sizeOf(box) * noise;
  const inLogs = LOG_SIZE.measurement * noise;
  return {
    x: correctAxis(predicted.x, seen.x, inPixels ** 2),
    y: correctAxis(predicted.y, seen.y, inPixels ** 2),
    logWidth: correctAxis(predicted.logWidth, seen.logWidth, inLogs ** 2),
    logHeight: correctAxis(predicted.logHeight, seen.logHeight, inLogs ** 2),
  };
}

/** How well a box fits what was expected. */
export interface Fit {
  /** Squared Mahalanobis distance over the four numbers: χ² with four degrees of freedom for the same face. */
  readonly distance: number;
  /** Logarithm of the probability density of the box, per face area and squared logarithm of size. */
  readonly logLikelihood: number;
}

/** @param predicted for the time of the box */
export function fit(predicted: BoxMotion, box: Box, noise = 1): Fit {
  const seen = measure(box);
  const size = sizeOf(box);
  const parts = [
    [predicted.x, seen.x, CENTRE.measurement, size],
    [predicted.y, seen.y, CENTRE.measurement, size],
    [predicted.logWidth, seen.logWidth, LOG_SIZE.measurement, 1],
    [predicted.logHeight, seen.logHeight, LOG_SIZE.measurement, 1],
  ] as const;
  let distance = 0;
  let logVolume = 0;
  for (const [axis, value, measurement, unit] of parts) {
    const variance = axis.valueVariance / unit ** 2 + (measurement * noise) ** 2;
    distance += ((value - axis.value) / unit) ** 2 / variance;
    logVolume += Math.log(2 * Math.PI * variance);
  }
  return { distance, logLikelihood: -(distance + logVolume) / 2 };
}

/** Whether the centre is expected outside a frame. */
export function isOutside({ x, y }: BoxMotion, { width, height }: Pick<Frame, 'width' | 'height'>): boolean {
  return x.value < 0 || y.value < 0 || x.value > width || y.value > height;
}

function measure({ x, y, width, height }: Box): Readonly<Record<keyof BoxMotion, number>> {
  return {
    x: x + width / 2,
    y: y + height / 2,
    logWidth: Math.log(Math.max(SMALLEST_SIDE, width)),
    logHeight: Math.log(Math.max(SMALLEST_SIDE, height)),
  };
}

/** Side of the square of the box's area, pixels. */
function sizeOf({ width, height }: Box): number {
  return Math.sqrt(Math.max(SMALLEST_SIDE, width) * Math.max(SMALLEST_SIDE, height));
}

/** The integrated Ornstein–Uhlenbeck process (Uhlenbeck and Ornstein 1930). @param speed its stationary deviation */
function predictAxis(axis: Axis, seconds: number, speed: number): Axis {
  const time = seconds / PERSISTENCE_SECONDS;
  const kept = Math.exp(-time);
  const reach = PERSISTENCE_SECONDS * (1 - kept);
  const variance = speed ** 2;
  // Cancels to below zero for the shortest times.
  const spread = Math.max(0, 2 * time - 3 + 4 * kept - kept ** 2);
  return {
    value: axis.value + reach * axis.speed,
    speed: kept * axis.speed,
    valueVariance:
      axis.valueVariance +
      2 * reach * axis.covariance +
      reach ** 2 * axis.speedVariance +
      variance * PERSISTENCE_SECONDS ** 2 * spread,
    covariance:
      kept * (axis.covariance + reach * axis.speedVariance) + variance * PERSISTENCE_SECONDS * (1 - kept) ** 2,
    speedVariance: kept ** 2 * axis.speedVariance + variance * (1 - kept ** 2),
  };
}

function correctAxis(axis: Axis, value: number, measurementVariance: number): Axis {
  const total = axis.valueVariance + measurementVariance;
  const valueGain = axis.valueVariance / total;
  const speedGain = axis.covariance / total;
  const surprise = value - axis.value;
  return {
    value: axis.value + valueGain * surprise,
    speed: axis.speed + speedGain * surprise,
    valueVariance: (1 - valueGain) * axis.valueVariance,
    covariance: (1 - valueGain) * axis.covariance,
    speedVariance: Math.max(0, axis.speedVariance - speedGain * axis.covariance),
  };
}
