import type { ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import type { KeyId } from '@sightline/kernel';
import { createTemplateProtector, decodeTemplate, type TemplateProtector } from '@sightline/template-protection';
import { bundleOf, defaultBundle, samplePhotos } from '@sightline/testing';
import { isShared, type Frame } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { decodeImage } from './decode-image.js';
import { openRecogniser } from './open-recogniser.js';
import type { Recogniser } from './recogniser.js';

const unprotected: TemplateProtector = { keyId: 'none' as KeyId, protect: (embedding) => embedding };

let bundle: VerifiedBundle;
let recogniser: Recogniser;
let photos: Frame[];

beforeAll(async () => {
  bundle = await defaultBundle();
  recogniser = await openRecogniser({ bundle });
  photos = await Promise.all(samplePhotos().map(async (path) => decodeImage(await readFile(path))));
});
afterAll(() => recogniser.close());

function crop({ data, width }: Frame, left: number, top: number, side: number): Frame {
  const rows = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const start = ((top + y) * width + left) * 3;
    rows.set(data.subarray(start, start + side * 3), y * side * 3);
  }
  return { width: side, height: side, data: rows };
}

function cosine(one: Float32Array, other: Float32Array): number {
  return one.reduce((sum, value, at) => sum + value * other[at]!, 0);
}

function variant(change: (manifest: ReleaseManifest) => ReleaseManifest): VerifiedBundle {
  return bundleOf(change(bundle.manifest), (target) => bundle.read(target));
}

test('it says what it runs', () => {
  const { spaceId, variantDigest, dimension, provider } = recogniser;
  expect({ spaceId, variantDigest, dimension, provider }).toEqual({
    spaceId: bundle.manifest.modelSpace.id,
    variantDigest: bundle.manifest.embedder.sha256,
    dimension: 512,
    provider: 'cpu',
  });
});

test('faces of a photo are found, largest first, with points inside their boxes', async () => {
  const { faces, stageMs } = await recogniser.detect(photos[3]!);
  expect(faces.length).toBe(4);
  const areas = faces.map(({ box }) => box.width * box.height);
  expect(areas).toEqual([...areas].sort((one, other) => other - one));
  for (const { box, score, quality, fivePoints, aligned } of faces) {
    expect(score).toBeGreaterThanOrEqual(0.65);
    expect(quality).toBeGreaterThan(0.4);
    expect(aligned.length).toBe(112 * 112 * 3);
    for (const { x, y } of fivePoints) {
      expect(x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height).toBe(true);
    }
  }
  expect(Math.min(...Object.values(stageMs))).toBeGreaterThan(0);
});

test('a person is nearer to herself in another photo than to anybody else in it', async () => {
  const one = await recogniser.detect(photos[0]!);
  const other = await recogniser.detect(photos[2]!);
  const options = { protector: unprotected, codec: 'float16' } as const;
  const probe = one.faces.reduce((best, face) => (face.box.x > best.box.x ? face : best));
  const [template] = (await recogniser.embed([probe], options)).templates;
  const { templates } = await recogniser.embed(other.faces, options);
  const scores = templates.map((candidate) => cosine(decodeTemplate(template!), decodeTemplate(candidate))).sort();
  expect(scores.at(-1)).toBeGreaterThan(0.6);
  expect(scores.at(-2)).toBeLessThan(0.4);
});

test('several views of a face give a template near that of one, which knows the person in another photo as well', async () => {
  const one = await recogniser.detect(photos[0]!);
  const other = await recogniser.detect(photos[2]!);
  const vectors = async (faces: typeof one.faces, views: 'one' | 'several') => {
    const { templates } = await recogniser.embed(faces, { protector: unprotected, codec: 'float16', views });
    return templates.map((template) => decodeTemplate(template));
  };
  const person = one.faces.filter(({ box }) => box.x === Math.max(...one.faces.map((face) => face.box.x)));
  const [plain] = await vectors(person, 'one');
  const [several] = await vectors(person, 'several');
  const probes = await vectors(other.faces, 'one');
  expect(Math.hypot(...several!)).toBeCloseTo(1, 2);
  expect(cosine(plain!, several!)).toBeGreaterThan(0.95);
  expect(cosine(plain!, several!)).toBeLessThan(0.9999);
  const best = (template: Float32Array): number => Math.max(...probes.map((probe) => cosine(template, probe)));
  expect(best(several!)).toBeGreaterThan(best(plain!) - 0.02);
});

test('the centre of the embeddings is taken out, and one of another dimension is refused', async () => {
  const { centre = [], ...uncentred } = bundle.manifest.embedder.spec;
  const withSpec = (spec: ReleaseManifest['embedder']['spec']): VerifiedBundle =>
    variant((manifest) => ({ ...manifest, embedder: { ...manifest.embedder, spec } }));
  const without = await openRecogniser({ bundle: withSpec(uncentred) });
  const { faces } = await recogniser.detect(photos[0]!);
  const options = { protector: unprotected, codec: 'float16' } as const;
  const [raw] = (await without.embed(faces.slice(0, 1), options).finally(() => without.close())).templates;
  const [centred] = (await recogniser.embed(faces.slice(0, 1), options)).templates;
  const moved = decodeTemplate(raw!).map((value, index) => value - centre[index]!);
  const length = Math.hypot(...moved);
  expect(
    cosine(
      moved.map((value) => value / length),
      decodeTemplate(centred!),
    ),
  ).toBeGreaterThan(0.9999);
  await expect(openRecogniser({ bundle: withSpec({ ...uncentred, centre: centre.slice(1) }) })).rejects.toMatchObject({
    code: 'MODEL.INVALID',
  });
});

test('templates are protected, carry their origin, and are as many as the faces', async () => {
  const key = { secret: new Uint8Array(32).fill(3), tenantId: 'acme', epoch: 1, dimension: 512 };
  const protector = createTemplateProtector(key as unknown as Parameters<typeof createTemplateProtector>[0]);
  const { faces } = await recogniser.detect(photos[5]!);
  const { templates, embedMs } = await recogniser.embed(faces, { protector, codec: 'int8' });
  expect(embedMs).toBeGreaterThan(0);
  expect(templates.map(({ quality }) => quality)).toEqual(faces.map(({ quality }) => quality));
  const [first] = templates;
  expect(first).toMatchObject({
    spaceId: recogniser.spaceId,
    keyId: protector.keyId,
    variantDigest: recogniser.variantDigest,
    codec: 'int8',
    dimension: 512,
  });
  const raw = await recogniser.embed(faces.slice(0, 1), { protector: unprotected, codec: 'float16' });
  expect(Math.abs(cosine(decodeTemplate(first!), decodeTemplate(raw.templates[0]!)))).toBeLessThan(0.25);
  expect((await recogniser.embed([], { protector, codec: 'int8' })).templates).toEqual([]);
});

test('frames of every shape are searched, and an empty one holds no face', async () => {
  for (const [width, height] of [
    [1, 1],
    [3, 700],
    [1000, 2],
    [37, 41],
  ] as const) {
    const { faces } = await recogniser.detect({ width, height, data: new Uint8Array(width * height * 3) });
    expect(faces).toEqual([]);
  }
  const close = await recogniser.detect(crop(photos[0]!, 1400, 150, 340));
  expect(close.faces.length).toBe(1);
});

test('the caller keeps its frame, and a frame with missing rows is refused', async () => {
  const frame = crop(photos[0]!, 1400, 150, 340);
  await recogniser.detect(frame);
  expect(frame.data.length).toBe(340 * 340 * 3);
  await expect(recogniser.detect({ ...frame, height: 341 })).rejects.toMatchObject({ code: 'FRAME.INVALID' });
  await expect(
    recogniser.embed([{ aligned: new Uint8Array(5), quality: 1 }], { protector: unprotected, codec: 'int8' }),
  ).rejects.toMatchObject({ code: 'FACE.NOT_ALIGNED' });
});

test('a frame gives the same faces in memory of its own as in shared memory, also beside others', async () => {
  const shared = photos[4]!;
  const own = { ...shared, data: Uint8Array.from(shared.data) };
  expect([isShared(shared), isShared(own)]).toEqual([true, false]);
  const expected = (await recogniser.detect(shared)).faces;
  expect(expected.length).toBeGreaterThan(0);
  const small = crop(shared, 0, 0, 50);
  const results = await Promise.all([own, small, own, shared].map((frame) => recogniser.detect(frame)));
  const again = await recogniser.detect(own);
  for (const at of [0, 2, 3]) expect(results[at]!.faces).toEqual(expected);
  expect(again.faces).toEqual(expected);
  expect(Buffer.compare(own.data, shared.data)).toBe(0);
});

test('an aborted call rejects with the reason and the recogniser goes on', async () => {
  const controller = new AbortController();
  const calls = photos.slice(0, 3).map((photo) => recogniser.detect(photo, { signal: controller.signal }));
  controller.abort(new Error('enough'));
  for (const call of calls) await expect(call).rejects.toThrow('enough');
  expect((await recogniser.detect(photos[0]!)).faces.length).toBe(3);
});

test('several workers give the same templates as one', async () => {
  const two = await openRecogniser({ bundle, workers: 2 });
  try {
    const { faces } = await recogniser.detect(photos[4]!);
    const options = { protector: unprotected, codec: 'int8' } as const;
    expect((await two.embed(faces, options)).templates).toEqual((await recogniser.embed(faces, options)).templates);
  } finally {
    await two.close();
  }
});

test('a provider that is not there leaves the CPU in use', async () => {
  const other = await openRecogniser({ bundle, providers: ['cuda', 'cpu'] });
  expect(other.provider).toBe('cpu');
  await other.close();
});

describe('a bundle that cannot run', () => {
  test('is refused when its manifest does not fit its models', async () => {
    const { embedder, detector } = bundle.manifest;
    const tall = { ...embedder.spec, input: { ...embedder.spec.input, height: 128 } };
    const grey = { ...detector.spec, input: { ...detector.spec.input, channels: 'grey' as const } };
    for (const foreign of [
      variant((manifest) => ({ ...manifest, embedder: { ...embedder, spec: tall } })),
      variant((manifest) => ({ ...manifest, detector: { ...detector, spec: grey } })),
      variant((manifest) => ({ ...manifest, modelSpace: { ...manifest.modelSpace, dimension: 128 } })),
    ]) {
      await expect(openRecogniser({ bundle: foreign })).rejects.toMatchObject({ code: 'MODEL.INVALID' });
    }
  });

  test('is refused when a model file is truncated', async () => {
    const { target } = bundle.manifest.embedder;
    const truncated = bundleOf(bundle.manifest, async (wanted) => {
      const bytes = await bundle.read(wanted);
      return wanted === target ? bytes.subarray(0, bytes.length - 1000) : bytes;
    });
    await expect(openRecogniser({ bundle: truncated })).rejects.toMatchObject({ code: 'MODEL.INVALID' });
  });
});

describe('presentation-attack detection', () => {
  let scoring: Recogniser;

  beforeAll(async () => {
    scoring = await openRecogniser({ bundle, presentationAttack: true });
  });
  afterAll(() => scoring.close());

  test('faces that are good enough get their surroundings and, together, the scores that each has alone', async () => {
    const plain = await recogniser.detect(photos[3]!);
    const { faces } = await scoring.detect(photos[3]!, { surroundings: { minimumQuality: 0 } });
    expect(faces.map(({ surroundings, ...face }) => [surroundings?.length, face])).toEqual(
      plain.faces.map((face) => [128 * 128 * 3, face]),
    );
    const { scores, presentationMs } = await scoring.liveScores(faces);
    expect(presentationMs).toBeGreaterThan(0);
    expect(scores.length).toBe(4);
    for (const [index, score] of scores.entries()) {
      expect(score > 0 && score < 1).toBe(true);
      expect((await scoring.liveScores([faces[index]!])).scores[0]).toBeCloseTo(score, 5);
    }
    const [, worst] = [...faces].sort((one, other) => one.quality - other.quality).map(({ quality }) => quality);
    const some = await scoring.detect(photos[3]!, { surroundings: { minimumQuality: worst! } });
    expect(some.faces.filter(({ surroundings }) => surroundings).length).toBe(3);
    expect((await scoring.liveScores([])).scores).toEqual([]);
  });

  test('is refused where it was not asked for, and for faces without surroundings', async () => {
    expect([recogniser.scoresPresentations, scoring.scoresPresentations]).toEqual([false, true]);
    const { faces } = await recogniser.detect(photos[0]!, { surroundings: { minimumQuality: 0 } });
    expect(faces.every(({ surroundings }) => surroundings === undefined)).toBe(true);
    const unavailable = { code: 'PRESENTATION.UNAVAILABLE' };
    await expect(recogniser.liveScores(faces)).rejects.toMatchObject(unavailable);
    await expect(scoring.liveScores(faces)).rejects.toMatchObject(unavailable);
    await expect(scoring.liveScores([{ surroundings: new Uint8Array(3) }])).rejects.toMatchObject(unavailable);
  });

  test('a bundle without such a model is opened and scores nothing', async () => {
    const without = await openRecogniser({
      bundle: variant((manifest) => ({ ...manifest, presentationAttack: undefined })),
      presentationAttack: true,
    });
    expect(without.scoresPresentations).toBe(false);
    await without.close();
  });

  test('a class that the model does not have is refused', async () => {
    const { presentationAttack } = bundle.manifest;
    const spec = { ...presentationAttack!.spec, liveIndex: 3 };
    const wrong = await openRecogniser({
      bundle: variant((manifest) => ({ ...manifest, presentationAttack: { ...presentationAttack!, spec } })),
      presentationAttack: true,
    });
    const { faces } = await wrong.detect(photos[0]!, { surroundings: { minimumQuality: 0 } });
    await expect(wrong.liveScores(faces)).rejects.toMatchObject({ code: 'MODEL.INVALID' });
    await wrong.close();
  });
});

/** A wide scene: the photo with its four faces, so many times smaller, in a grey frame of 1280 × 720. */
function wideScene(photo: Frame, times: number): Frame {
  const [width, height] = [1280, 720];
  const data = new Uint8Array(width * height * 3).fill(128);
  for (let y = 0; y < Math.floor(photo.height / times); y++) {
    for (let x = 0; x < Math.floor(photo.width / times); x++) {
      const from = (y * times * photo.width + x * times) * 3;
      data.set(photo.data.subarray(from, from + 3), ((y + 80) * width + x + 150) * 3);
    }
  }
  return { width, height, data };
}

test('tiles find the small faces of a wide scene, each once', async () => {
  const scene = wideScene(photos[3]!, 5);
  const plain = await recogniser.detect(scene, { faint: true });
  const tiled = await recogniser.detect(scene, { faint: true, tiles: { columns: 3, rows: 2, overlap: 0.15 } });
  expect(plain.faces.length).toBeLessThan(4);
  expect(tiled.faces.length).toBe(4);
  const widths = tiled.faces.map(({ box }) => box.width);
  expect(Math.max(...widths)).toBeLessThan(60);
  // What it is unsure of is told apart, and only when asked for.
  for (const { score } of [...(plain.faint ?? []), ...(tiled.faint ?? [])]) {
    expect(score).toBeGreaterThanOrEqual(0.2);
    expect(score).toBeLessThan(0.65);
  }
  expect(await recogniser.detect(scene)).not.toHaveProperty('faint');
});
