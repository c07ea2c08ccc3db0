/** One view of a face, kept as its aligned crop alone. */
export interface Shot {
  /** RGB, as the release's embedder wants it. */
  readonly aligned: Uint8Array;
  /** For scoring the presentation, where the camera wants that. */
  readonly surroundings?: Uint8Array | undefined;
  /** 0 to 1 */
  readonly quality: number;
  readonly streamMs: number;
  /** Digest of the release that aligned it: no other can embed it. */
  readonly releaseDigest: string;
}

/**
 * The best few shots of a track, spread over time: the stream is cut into slots of `spacingMs`, each slot
 * offers its best shot, and the best of those stay. Neighbouring frames tell nearly the same, and a slot, unlike
 * a least distance, cannot be moved along by shots that get better and better.
 */
export class BestShots {
  #shots: readonly Shot[] = [];

  /** Best first; of equal ones the earlier first. */
  get shots(): readonly Shot[] {
    return this.#shots;
  }

  /** @returns whether the shot is among the best now */
  offer(shot: Shot, { limit, spacingMs }: { readonly limit: number; readonly spacingMs: number }): boolean {
    const slotOf = ({ streamMs }: Shot): number => (spacingMs > 0 ? Math.floor(streamMs / spacingMs) : streamMs);
    const rival = this.#shots.find((other) => slotOf(other) === slotOf(shot));
    if (rival && rival.quality >= shot.quality) return false;
    this.#shots = [...this.#shots.filter((other) => other !== rival), shot]
      .sort((a, b) => b.quality - a.quality || a.streamMs - b.streamMs)
      .slice(0, limit);
    return this.#shots.includes(shot);
  }

  /** Forgets the shots that another release aligned. */
  keepOnly(releaseDigest: string): void {
    this.#shots = this.#shots.filter((shot) => shot.releaseDigest === releaseDigest);
  }
}
