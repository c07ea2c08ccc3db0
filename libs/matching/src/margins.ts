/**
 * How much nearer than the second the nearest person must be, as a difference of cosines. Measured with the default
 * embedder (`bench:decision`, docs/decisions.md): it turns at most about one right answer in a thousand into an
 * ambiguous one, and a third to a half of the wrong ones.
 */
export const AMBIGUITY_MARGIN = 0.05;

/**
 * How much nearer to a probe that is known not to be a person than to the person themselves a probe must be, to be not
 * that person. Measured, as above: it refutes 96 to 99 % of further sightings of the same stranger, and of the
 * person's own fewer than one in a thousand.
 */
export const HARD_NEGATIVE_MARGIN = 0.1;
