/** Error rates of presentation-attack detection, in the terms of ISO/IEC 30107-3; scores of 0 to 1, live ones high. */

/** Share of living people who are taken for attacks: the bona fide presentation classification error rate. */
export function bpcer(live: readonly number[], threshold: number): number {
  return live.filter((score) => score < threshold).length / live.length;
}

/** Share of one species of attacks that is taken for a living person: the attack presentation classification error rate. */
export function apcer(attack: readonly number[], threshold: number): number {
  return attack.filter((score) => score >= threshold).length / attack.length;
}

/** The highest threshold at which no more than such a share of living people is taken for attacks. */
export function thresholdAtBpcer(live: readonly number[], share: number): number {
  const sorted = [...live].sort((one, other) => one - other);
  return sorted[Math.floor(share * live.length)] ?? Number.NaN;
}

/** How often a living person scores higher than an attack; a half where the scores tell nothing. */
export function areaUnderCurve(live: readonly number[], attack: readonly number[]): number {
  const merged = [
    ...live.map((score) => ({ score, isLive: true })),
    ...attack.map((score) => ({ score, isLive: false })),
  ].sort((one, other) => one.score - other.score);
  let rankSum = 0;
  for (let first = 0; first < merged.length;) {
    let next = first + 1;
    while (next < merged.length && merged[next]?.score === merged[first]?.score) next++;
    const rank = (first + next + 1) / 2; // ties share their ranks' mean
    for (let at = first; at < next; at++) if (merged[at]?.isLive) rankSum += rank;
    first = next;
  }
  return (rankSum - (live.length * (live.length + 1)) / 2) / (live.length * attack.length);
}
