import { describe, expect, it } from 'vitest';

import { detectionReport, embedderReport, presentationReport } from '../testing/reports.js';
import { modelCard, modelCardSchema, type ModelCardFacts } from './model-card.js';
import { modelCardPage } from './model-card-page.js';

const facts: ModelCardFacts = {
  model: {
    name: 'embedder',
    task: 'embedder',
    variant: 'int8',
    digest: 'a'.repeat(64),
    bytes: 1_000_000,
    input: { width: 112, height: 112, channels: 'bgr', mean: [127], scale: [128] },
    dimension: 512,
  },
  provenance: { name: 'An embedder', source: 'npm:somewhere@1.0.0#a.onnx', licence: 'MIT', trainingData: 'unstated' },
  latency: [],
  nowMs: Date.UTC(2026, 10, 22),
};

describe('a model card', () => {
  it('says what nobody has said or measured', () => {
    const { unstated } = modelCard(facts);
    expect(unstated.join(' ')).toMatch(/trained on.*evaluated.*fast/);
    const latency = [{ deviceClass: 'arm64 x4', provider: 'cpu', devices: 2, ms: 8 }];
    const known = { ...facts.provenance, trainingData: 'MS-Celeb-1M' };
    const evaluation = embedderReport({ subgroups: [] });
    expect(modelCard({ ...facts, evaluation, latency, provenance: known }).unstated).toEqual([
      expect.stringContaining('no labels'),
    ]);
  });

  it('is JSON that its schema describes, and the same for the same facts', () => {
    const card = modelCard({ ...facts, evaluation: embedderReport() });
    expect(modelCardSchema.parse(JSON.parse(JSON.stringify(card)))).toEqual(card);
    expect(modelCard({ ...facts, evaluation: embedderReport() })).toEqual(card);
  });
});

describe('the page of a card', () => {
  const pages = [
    embedderReport(),
    embedderReport({ agreement: undefined, degraded: [] }),
    detectionReport,
    presentationReport,
  ];

  it.each([undefined, ...pages])('loads nothing, runs nothing, and has no figure that is none', (evaluation) => {
    const page = modelCardPage(modelCard({ ...facts, evaluation }));
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/<script|<link|<img|<iframe|https?:|url\(|@import|\son\w+=/i);
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });

  it('shows what a manifest says as text, whatever it is', () => {
    const name = `<script>alert("x")</script> & 'more'`;
    const page = modelCardPage(modelCard({ ...facts, provenance: { ...facts.provenance, name, note: name } }));
    expect(page).not.toContain('<script');
    expect(page).toContain('&#60;script&#62;alert(&#34;x&#34;)');
  });

  it('has the plots of an embedder', () => {
    const page = modelCardPage(modelCard({ ...facts, evaluation: embedderReport() }));
    for (const plot of ['ROC', 'DET', 'Scores', 'Cosine with the parent'])
      expect(page).toContain(`aria-label="${plot}"`);
  });
});
