// Another library's search, as bench:gallery compares with it; one child process for one library and one gallery.
//
// One message, from the parent: { vectors, queries, dimension, warmUp }: paths of files of float32 vectors of unit length.
// Answered with { buildMs, ms: number[], nearest: number[], settings }: for each query its time and the nearest vector.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const require = createRequire(import.meta.url);
const [library] = process.argv.slice(2);

const libraries = {
  'usearch-exact': ({ vectors, dimension }) => {
    const { exactSearch, MetricKind } = require('usearch');
    // A query is a piece of memory of its own: exactSearch ignores where a view begins.
    const search = (query) => Number(exactSearch(vectors, query.slice(), dimension, 1, MetricKind.IP, 1).keys[0]);
    return { settings: { metric: 'ip', quantisation: 'f32', threads: 1 }, search };
  },
  usearch: ({ vectors, dimension, count }) => {
    const { Index } = require('usearch');
    const settings = { metric: 'ip', quantization: 'f32', connectivity: 16, expansion_add: 128, expansion_search: 64 };
    const index = new Index({ dimensions: dimension, ...settings });
    index.add(
      BigUint64Array.from({ length: count }, (_, key) => BigInt(key)),
      vectors,
      0,
    );
    return { settings, search: (query) => Number(index.search(query.slice(), 1, 1).keys[0]) };
  },
  hnswlib: ({ vectors, dimension, count }) => {
    const { HierarchicalNSW } = require('hnswlib-node');
    const settings = { space: 'ip', m: 16, efConstruction: 200, ef: 200 };
    const index = new HierarchicalNSW(settings.space, dimension);
    index.initIndex(count, settings.m, settings.efConstruction, 1);
    for (let key = 0; key < count; key++) {
      index.addPoint(Array.from(vectors.subarray(key * dimension, (key + 1) * dimension)), key);
    }
    index.setEf(settings.ef);
    return { settings, search: (query) => index.searchKnn(Array.from(query), 1).neighbors[0] };
  },
};

async function readVectors(path) {
  const bytes = await readFile(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

async function measure({ vectors: path, queries: queriesPath, dimension, warmUp }) {
  const vectors = await readVectors(path);
  const queries = await readVectors(queriesPath);
  const began = performance.now();
  const { settings, search } = libraries[library]({ vectors, dimension, count: vectors.length / dimension });
  const buildMs = performance.now() - began;
  const query = (number) => queries.subarray(number * dimension, (number + 1) * dimension);
  for (let number = 0; number < warmUp; number++) search(query(number));
  const ms = [];
  const nearest = [];
  for (let number = 0; number < queries.length / dimension; number++) {
    const startedAt = performance.now();
    nearest.push(search(query(number)));
    ms.push(performance.now() - startedAt);
  }
  return { buildMs, ms, nearest, settings };
}

process.once('message', (message) => {
  measure(message).then(
    (answer) => process.send(answer),
    (error) => process.send({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
