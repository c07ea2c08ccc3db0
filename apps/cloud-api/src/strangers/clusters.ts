/** Members of which a cluster is judged by at most: the first ones. */
const JUDGED = 32;

interface Cluster {
  /** Of the unit vectors of those members that it is judged by. */
  readonly sum: Float32Array;
  judged: number;
}

/** What becomes of a newcomer: the cluster that they are in now, and one that turned out to be the same. */
export interface Assignment {
  readonly cluster: string;
  readonly merged?: string;
}

export interface ClusterBar {
  /** Cosine from which on two are one person. */
  readonly threshold: number;
  /** How much nearer than the second the nearest must be, where the two are not one. */
  readonly margin: number;
}

/**
 * Groups faces as they come, by average linkage: a newcomer belongs to the cluster whose members they are nearest to on
 * the mean, if that is as near as one person. Where two clusters are so, these are one if their members are as near on the
 * mean as one person; otherwise the newcomer stays apart unless one is clearly nearer: a wrong guess would tie two people
 * together, a cluster more is only two visits that are not seen as one.
 */
export class Clusters {
  readonly #clusters = new Map<string, Cluster>();

  get size(): number {
    return this.#clusters.size;
  }

  /** Adds somebody who was told apart before. */
  add(id: string, vector: Float32Array): void {
    const cluster = this.#clusters.get(id) ?? { sum: new Float32Array(vector.length), judged: 0 };
    this.#clusters.set(id, cluster);
    if (cluster.judged === JUDGED) return;
    addUnit(cluster.sum, vector);
    cluster.judged += 1;
  }

  /** @param newId of the cluster that is begun, if one is */
  assign(vector: Float32Array, { threshold, margin }: ClusterBar, newId: string): Assignment {
    const [best, second] = this.#nearest(vector, threshold);
    if (best === undefined) return this.#joined(newId, vector);
    if (second === undefined) return this.#joined(best.id, vector);
    const [one, other] = [this.#clusters.get(best.id), this.#clusters.get(second.id)];
    if (one !== undefined && other !== undefined && linkage(one, other) >= threshold) {
      this.#clusters.delete(second.id);
      other.sum.forEach((component, index) => (one.sum[index] = (one.sum[index] ?? 0) + component));
      one.judged += other.judged;
      return { ...this.#joined(best.id, vector), merged: second.id };
    }
    return this.#joined(best.score - second.score >= margin ? best.id : newId, vector);
  }

  #joined(cluster: string, vector: Float32Array): Assignment {
    this.add(cluster, vector);
    return { cluster };
  }

  /** The two nearest of those at the bar. */
  #nearest(vector: Float32Array, threshold: number): readonly { readonly id: string; readonly score: number }[] {
    const probe = { sum: unit(vector), judged: 1 };
    return [...this.#clusters]
      .map(([id, cluster]) => ({ id, score: linkage(cluster, probe) }))
      .filter(({ score }) => score >= threshold)
      .sort((one, other) => other.score - one.score)
      .slice(0, 2);
  }
}

/** Mean of the cosines between the members of two clusters. */
function linkage(one: Cluster, other: Cluster): number {
  let product = 0;
  one.sum.forEach((component, index) => (product += component * (other.sum[index] ?? 0)));
  return product / (one.judged * other.judged);
}

function unit(vector: Float32Array): Float32Array {
  const sum = new Float32Array(vector.length);
  addUnit(sum, vector);
  return sum;
}

function addUnit(sum: Float32Array, vector: Float32Array): void {
  const length = Math.hypot(...vector);
  vector.forEach((component, index) => (sum[index] = (sum[index] ?? 0) + component / length));
}
