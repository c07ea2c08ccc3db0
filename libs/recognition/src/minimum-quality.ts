/**
 * The quality from which on a face serves, by use. `npm run bench:accuracy` has what is behind it: of probes with a
 * quality of .5 to .6 about one in twenty is not recognised, of those with .4 to .5 one in three or four.
 */
export const minimumQuality = {
  /** A bad template would be one for ever, and a better photo can be asked for. */
  enrolment: 0.5,
  /** One comparison with a claimed person: a better photo can be asked for, but nothing is kept of this one. */
  verification: 0.3,
  /** Shots of a sighting: nobody can be asked, and several are fused. */
  identification: 0.3,
} as const;
