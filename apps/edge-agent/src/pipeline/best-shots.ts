/** One view of a face, kept as its aligned crop alone. */
export interface Shot {
  /** RGB, as the release's embedder wants it. */
  readonly aligned: Uint8Array;
  /** 0 to 1 */
  readonly quality: number;
  readonly streamMs: number;
  /** Digest of the release that aligned it: no other can embed it. */
  readonly releaseDigest: string;
}

/**
 * The best few shots of a track, spread over time: no two lie closer together than `spacingMs`, since
 * neighbouring frames tell the same. Of two that are too close the better one stays.
 */
export class BestShots {
  #shots: Shot[] = [];

  /** Best first; of equal ones the earlier first. */
  get shots(): readonly Shot[] {
    return this.#shots;
  }

  /** @returns whether the shot is among the best now */
  offer(shot: Shot, { limit, spacingMs }: { readonly limit: number; readonly spacingMs: number }): boolean {
    const isClose = ({ streamMs }: Shot): boolean => Math.abs(streamMs - shot.streamMs) < spacingMs;
    if (this.#shots.some((other) => isClose(other) && other.quality >= shot.quality)) return false;
    this.#shots = [...this.#shots.filter((other) => !isClose(other)), shot]
      .sort((a, b) => b.quality - a.quality || a.streamMs - b.streamMs)
      .slice(0, limit);
    return this.#shots.includes(shot);
  }

  /** Forgets the shots that another release aligned. */
  keepOnly(releaseDigest: string): void {
    this.#shots = this.#shots.filter((shot) => shot.releaseDigest === releaseDigest);
  }
}
