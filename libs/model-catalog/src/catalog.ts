import type {
  Calibration,
  DetectorSpec,
  EmbedderSpec,
  LandmarksSpec,
  PresentationAttackSpec,
  Provenance,
} from '@sightline/contracts';
import type { Sha256 } from '@sightline/kernel';

import { embeddingCentre } from './embedding-centre.js';
import type { PackageSource } from './npm-package.js';
import type { FileDigest, PackageFile } from './package-files.js';

export const modelTasks = ['detector', 'landmarks', 'embedder', 'presentationAttack'] as const;
export type ModelTask = (typeof modelTasks)[number];

/** One model file of the package, and what one must know to run it. */
export interface CatalogModel<Spec> extends PackageFile {
  /** What the import pass makes of it: the file that is shipped. */
  readonly imported: FileDigest;
  readonly provenance: Provenance;
  readonly spec: Spec;
}

export interface ModelCatalog {
  readonly source: PackageSource;
  readonly modelSpace: { readonly id: string; readonly dimension: number };
  readonly detector: CatalogModel<DetectorSpec>;
  readonly landmarks: CatalogModel<LandmarksSpec>;
  readonly embedder: CatalogModel<EmbedderSpec>;
  readonly presentationAttack: CatalogModel<PresentationAttackSpec>;
  readonly calibration: Calibration;
}

const source: PackageSource = {
  package: 'faceplugin-face-recognition-js',
  version: '0.0.1',
  integrity: 'sha512-shriXjd4zJHEwhK1jHK+bWo8Vv6Vu9B/w6RRsd4AFtNM/jaI2vhuOamOSMl9qQmLd8WlQ7dgqN+3C2iOi5pXWw==',
};

/** The files as the package has them. */
const shipped = {
  detector: {
    path: 'model/fr_detect.onnx',
    sha256: '6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854' as Sha256,
    bytes: 1_217_758,
  },
  landmarks: {
    path: 'model/fr_landmark.onnx',
    sha256: 'f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258' as Sha256,
    bytes: 1_163_742,
  },
  embedder: {
    path: 'model/fr_feature.onnx',
    sha256: '87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581' as Sha256,
    bytes: 4_884_269,
  },
  presentationAttack: {
    path: 'model/fr_liveness.onnx',
    sha256: 'afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d' as Sha256,
    bytes: 1_886_811,
  },
} satisfies Record<ModelTask, PackageFile>;

/** What the import pass makes of them, to the byte. A change of a pass changes these, and the release with them. */
const imported = {
  detector: { sha256: 'fa459f3e448640f398bf88b058878ac676bb5a1c32cd5abe5614b860fd4543a3' as Sha256, bytes: 1_216_328 },
  landmarks: { sha256: '9b3c9a696fbef8e57b69f32427e4515c54d5a7bba6f3b3e97154b3eb90ba9f9c' as Sha256, bytes: 1_146_109 },
  embedder: { sha256: 'bf74671629cf92a0ac7ec11467863876cd32cc3416eb822e3cfaab59dcdc6cfb' as Sha256, bytes: 3_516_897 },
  presentationAttack: {
    sha256: 'e0fb62e356ddc069743025cf8d0e6728a91fe0201ba7bd63f9ebd9ee0f44486a' as Sha256,
    bytes: 1_981_466,
  },
} satisfies Record<ModelTask, FileDigest>;

/** Version of the import pass (`REWRITER_VERSION` of model-tools) that made the imported files. */
const REWRITER = '1';

function file(task: ModelTask): PackageFile & { readonly imported: FileDigest } {
  return { ...shipped[task], imported: imported[task] };
}

function provenance(task: ModelTask, name: string, note?: string): Provenance {
  return {
    name,
    source: `npm:${source.package}@${source.version}#${shipped[task].path}`,
    licence: 'MIT',
    trainingData: 'unstated',
    imported: { from: shipped[task].sha256, rewriter: REWRITER },
    ...(note === undefined ? {} : { note }),
  };
}

/**
 * The default bundle. Every number of its specs was found by measuring on LFW: another channel order,
 * normalisation or crop costs points of accuracy (see docs/benchmarks.md).
 */
export const defaultCatalog: ModelCatalog = {
  source,
  modelSpace: { id: 'mobilefacenet-512-fp-0.0.1-centred', dimension: 512 },
  detector: {
    ...file('detector'),
    provenance: provenance('detector', 'Ultra-Light face detector RFB-320'),
    spec: {
      decoder: 'ssd-decoded',
      input: { width: 320, height: 240, channels: 'rgb', mean: [127], scale: [128] },
      fit: 'stretch',
      scoreThreshold: 0.65,
      nmsThreshold: 0.4,
    },
  },
  landmarks: {
    ...file('landmarks'),
    provenance: provenance('landmarks', '68 facial landmarks'),
    spec: {
      decoder: 'points-68',
      input: { width: 64, height: 64, channels: 'grey', mean: [0], scale: [256] },
      // Found on calibration images alone, where the points move least when the crop does: .50 instead of .95 px.
      crop: { scale: 0.92, down: 0.09 },
      refinement: { centre: [55.5, 74], side: 104, views: ['plain'] },
    },
  },
  embedder: {
    ...file('embedder'),
    provenance: provenance('embedder', 'MobileFaceNet face embedder, 512-d'),
    spec: {
      input: { width: 112, height: 112, channels: 'bgr', mean: [127], scale: [128] },
      dimension: 512,
      // The ArcFace template (eyes, nose and mouth corners in a 112 × 112 crop), half a pixel to the left, so that a
      // face and its mirror image lie alike, and one up: there embeddings of calibration images are longest.
      alignmentTemplate: [
        [37.7946, 50.6963],
        [73.0318, 50.5014],
        [55.5252, 70.7366],
        [41.0493, 91.3655],
        [70.2299, 91.2041],
      ],
      centre: [...embeddingCentre],
    },
  },
  presentationAttack: {
    ...file('presentationAttack'),
    provenance: provenance(
      'presentationAttack',
      'Presentation-attack detector, MiniFASNet-like',
      'Too weak to rely on: of synthetic attacks it takes half and more for people. The meaning of its outputs was inferred.',
    ),
    spec: {
      input: { width: 128, height: 128, channels: 'bgr', mean: [0], scale: [1] },
      cropScale: 2.7,
      liveIndex: 0,
    },
  },
  calibration: {
    variantDigest: imported.embedder.sha256,
    // Measured by bench:accuracy, rounded up; the rarest rate rests on 88 false matches, a dozen of which are people
    // whom LFW lists under two names.
    dataSet: 'LFW, deep-funneled, all-vs-all of 4,211 images: six views enrolled, one searched',
    impostorPairs: 8_859_741,
    points: [
      { falseMatchRate: 1e-2, threshold: 0.241 },
      { falseMatchRate: 1e-3, threshold: 0.333 },
      { falseMatchRate: 1e-4, threshold: 0.4115 },
      { falseMatchRate: 1e-5, threshold: 0.4815 },
    ],
  },
};
