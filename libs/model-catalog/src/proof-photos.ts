import type { Sha256 } from '@sightline/kernel';

import type { PackageSource } from './npm-package.js';
import { fetchPackageFiles, type PackageFile, type StoreOptions } from './package-files.js';

/** A face of a photograph: what the default detector and landmark model find, in whole pixels. */
export interface ProofFace {
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** Left eye, right eye, nose, left and right mouth corner. */
  readonly points: readonly [Position, Position, Position, Position, Position];
}

interface Position {
  readonly x: number;
  readonly y: number;
}

/** A photograph of people, with its faces. */
export interface ProofPhoto {
  /** A JPEG file. */
  readonly bytes: Uint8Array;
  readonly faces: readonly ProofFace[];
}

/** `@vladmandic/face-api` (MIT) ships photographs of people for its demonstration. */
const source: PackageSource = {
  package: '@vladmandic/face-api',
  version: '1.7.15',
  integrity: 'sha512-WDMmK3CfNLo8jylWqMoQgf4nIst3M0fzx1dnac96wv/dvMTN4DxC/Pq1DGtduDk1lktCamQ3MIDXFnvrdHTXDw==',
};

/** Left, top, width and height of the box, then x and y of the five points. */
type FaceRow = readonly number[];

const photos: readonly (PackageFile & { readonly faces: readonly FaceRow[] })[] = [
  {
    path: 'demo/sample1.jpg',
    sha256: '8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51' as Sha256,
    bytes: 144_516,
    faces: [
      [1464, 216, 215, 213, 1556, 281, 1613, 338, 1551, 336, 1498, 346, 1551, 395],
      [831, 431, 203, 219, 873, 550, 943, 518, 913, 584, 920, 611, 981, 583],
      [416, 358, 183, 236, 439, 455, 514, 456, 459, 509, 455, 540, 516, 542],
    ],
  },
  {
    path: 'demo/sample2.jpg',
    sha256: '7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691' as Sha256,
    bytes: 181_758,
    faces: [
      [364, 125, 167, 288, 371, 245, 419, 241, 377, 288, 399, 328, 435, 322],
      [1438, 163, 204, 228, 1486, 280, 1564, 258, 1530, 322, 1530, 350, 1585, 335],
      [892, 228, 165, 224, 948, 331, 1034, 329, 995, 389, 958, 407, 1023, 405],
    ],
  },
  {
    path: 'demo/sample3.jpg',
    sha256: '8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936' as Sha256,
    bytes: 221_049,
    faces: [
      [1078, 193, 222, 310, 1118, 320, 1210, 341, 1137, 382, 1108, 419, 1185, 437],
      [589, 329, 202, 278, 628, 434, 723, 435, 659, 485, 640, 535, 708, 536],
      [1504, 301, 180, 264, 1558, 411, 1653, 403, 1628, 468, 1563, 504, 1652, 497],
    ],
  },
  {
    path: 'demo/sample4.jpg',
    sha256: '729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc' as Sha256,
    bytes: 210_824,
    faces: [
      [662, 66, 187, 248, 708, 150, 775, 186, 707, 198, 677, 227, 729, 256],
      [989, 176, 176, 253, 1005, 281, 1075, 293, 1022, 337, 1020, 359, 1072, 368],
      [264, 195, 161, 252, 324, 314, 395, 284, 396, 341, 356, 390, 406, 370],
      [1268, 147, 158, 241, 1314, 230, 1376, 264, 1313, 285, 1285, 304, 1349, 337],
    ],
  },
  {
    path: 'demo/sample5.jpg',
    sha256: '6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938' as Sha256,
    bytes: 166_400,
    faces: [
      [371, 887, 180, 278, 422, 992, 521, 980, 484, 1040, 443, 1097, 526, 1086],
      [1413, 381, 180, 277, 1436, 506, 1519, 494, 1472, 572, 1469, 604, 1535, 596],
      [602, 418, 172, 253, 681, 513, 750, 518, 742, 558, 689, 605, 740, 605],
      [1117, 209, 158, 216, 1152, 296, 1230, 297, 1181, 324, 1154, 373, 1218, 375],
      [795, 118, 157, 208, 847, 194, 919, 206, 889, 238, 844, 278, 899, 285],
    ],
  },
  {
    path: 'demo/sample6.jpg',
    sha256: '9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87' as Sha256,
    bytes: 302_445,
    faces: [
      [1487, 264, 208, 289, 1533, 371, 1628, 393, 1557, 454, 1522, 478, 1591, 494],
      [252, 483, 214, 276, 323, 608, 426, 594, 396, 664, 350, 703, 426, 696],
      [675, 325, 173, 310, 702, 454, 791, 450, 732, 514, 728, 552, 803, 550],
      [1172, 310, 188, 271, 1226, 428, 1329, 430, 1278, 498, 1241, 530, 1306, 531],
    ],
  },
];

/**
 * Photographs on which imported models are held against their sources, with 22 faces.
 *
 * @throws AppError as `fetchPackageFiles` does
 */
export async function fetchProofPhotos(options: StoreOptions): Promise<readonly ProofPhoto[]> {
  const files = await fetchPackageFiles(source, photos, options);
  return files.map(({ bytes }, index) => ({ bytes, faces: (photos[index]?.faces ?? []).map(faceOf) }));
}

function faceOf(row: FaceRow): ProofFace {
  const [x = 0, y = 0, width = 0, height = 0] = row;
  const point = (index: number): Position => ({ x: row[4 + index * 2] ?? 0, y: row[5 + index * 2] ?? 0 });
  return { box: { x, y, width, height }, points: [point(0), point(1), point(2), point(3), point(4)] };
}
