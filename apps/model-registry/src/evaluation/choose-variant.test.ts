import { describe, expect, it } from 'vitest';

import { chooseVariants, gateRefusal, type EmbedderVariant, type MeasuredLatency } from './choose-variant.js';
import { measuredLatencies } from './measured-latencies.js';
import { embedderReport } from './testing/reports.js';

const fp32: EmbedderVariant = { name: 'fp32', digest: '32', isReference: true };
const int8: EmbedderVariant = { name: 'int8', digest: '8', isReference: false, evaluation: embedderReport() };
const fp16: EmbedderVariant = { name: 'fp16', digest: '16', isReference: false, evaluation: embedderReport() };

function latency(deviceClass: string, variantDigest: string, ms: number): MeasuredLatency {
  return { deviceClass, provider: 'cpu', variantDigest, ms, devices: 2 };
}

function chosen(variants: readonly EmbedderVariant[], latencies: readonly MeasuredLatency[]): unknown {
  return Object.fromEntries(chooseVariants(variants, latencies).map((choice) => [choice.deviceClass, choice.variant]));
}

/** A report whose variant loses so many points at a false-match rate of 1e-4. */
function losing(points: number) {
  const report = embedderReport();
  const operatingPoints = report.operatingPoints.map((point) => {
    return { ...point, trueAcceptRate: point.trueAcceptRate - points / 100 };
  });
  return { ...report, operatingPoints };
}

describe('the choice of a variant', () => {
  it('is the fastest that was measured on that kind of box, whatever is fastest on another', () => {
    const measured = [
      latency('x64', '32', 3),
      latency('x64', '8', 2.4),
      latency('old arm', '32', 9),
      latency('old arm', '8', 14),
    ];
    expect(chosen([fp32, int8], measured)).toEqual({ x64: 'int8', 'old arm': 'fp32' });
  });

  it('never is one that nobody has measured there', () => {
    expect(chosen([fp32, int8, fp16], [latency('x64', '32', 3), latency('arm64', '16', 8)])).toEqual({
      x64: 'fp32',
      arm64: 'fp16',
    });
    expect(chosen([fp32, int8], [latency('x64', 'of another model', 1)])).toEqual({ x64: 'fp32' });
    expect(chooseVariants([fp32, int8], [])).toEqual([]);
  });

  it('leaves out what fails the gate, and says why', () => {
    const bad = { ...int8, evaluation: losing(0.5) };
    const [choice] = chooseVariants([fp32, bad], [latency('x64', '32', 3), latency('x64', '8', 1)]);
    expect(choice).toMatchObject({
      variant: 'fp32',
      candidates: [{}, { refusal: expect.stringContaining('0.50 points') as string }],
    });
  });

  it('keeps execution providers apart', () => {
    const cuda = { ...latency('jetson', '8', 1), provider: 'cuda' };
    const choices = chooseVariants(
      [fp32, int8],
      [latency('jetson', '32', 5), cuda, { ...cuda, variantDigest: '32', ms: 0.8 }],
    );
    expect(choices.map(({ provider, variant, reason }) => [provider, variant, reason])).toEqual([
      ['cpu', 'fp32', expect.stringContaining('only one')],
      ['cuda', 'fp32', expect.stringContaining('int8 takes 1.00')],
    ]);
  });
});

describe('measured latencies', () => {
  const releases = [
    { digest: 'r1', manifest: { detector: { sha256: 'd' }, embedder: { sha256: '32' } } },
    { digest: 'r2', manifest: { detector: { sha256: 'd' }, embedder: { sha256: '8' } } },
  ];
  const row = (releaseDigest: string, devices: number, embedMs: number) => {
    const rates = { framesPerSecond: 1, embeddingsPerSecond: 1 };
    return { deviceClass: 'x64', provider: 'cpu', releaseDigest, devices, detectMs: 2 * embedMs, embedMs, ...rates };
  };

  it('are those of the files of the releases that boxes have measured', () => {
    const rows = [row('r1', 2, 3), row('r2', 1, 2), row('of another registry', 9, 1)];
    expect(measuredLatencies('embedder', rows, releases).map(({ variantDigest, ms }) => [variantDigest, ms])).toEqual([
      ['32', 3],
      ['8', 2],
    ]);
  });

  it('of a file in several releases are those that most boxes have measured', () => {
    const rows = [row('r1', 2, 3), row('r2', 5, 2)];
    expect(measuredLatencies('detector', rows, releases)).toEqual([
      { deviceClass: 'x64', provider: 'cpu', variantDigest: 'd', ms: 4, devices: 5 },
    ]);
  });
});

describe('the accuracy gate', () => {
  it('lets the reference pass, and what agrees with it', () => {
    expect(gateRefusal(fp32)).toBeUndefined();
    expect(gateRefusal(int8)).toBeUndefined();
    expect(gateRefusal({ ...int8, evaluation: losing(0.29) })).toBeUndefined();
  });

  it.each([
    ['not evaluated', undefined],
    ['not evaluated', embedderReport({ agreement: undefined })],
    ['mean cosine', withCosine(0.98, 0.98)],
    ['lowest hundredth', withCosine(0.995, 0.97)],
    ['0.31 points', losing(0.31)],
    ['too few', embedderReport({ operatingPoints: embedderReport().operatingPoints.slice(0, 2) })],
  ])('refuses: %s', (reason, evaluation) => {
    expect(gateRefusal({ ...int8, evaluation })).toContain(reason);
  });
});

function withCosine(mean: number, p1: number) {
  const { agreement } = embedderReport();
  return embedderReport({ agreement: agreement && { ...agreement, cosine: { ...agreement.cosine, mean, p1 } } });
}
