/** Lines that are kept: FFmpeg says what is wrong at the end. */
const KEPT_LINES = 20;
const LONGEST_LINE = 500;

const COMPLAINT = /\[(?:warning|error|fatal|panic)\] (.*)$/;
/** From the source of every filter graph that is configured, so a second time when the stream has changed. */
const INPUT_SIZE = /\binput from stream\b.*\bw:(\d+) h:(\d+) pixfmt:/;
/** From the filter that tells of each frame, where it was asked to. */
const PASSED_FRAME = /\bParsed_showinfo_\d+ .*\] n: *\d+ pts:/;
/** About FFmpeg itself, or a step on the way, never the reason of an end. */
const NOISE = /-vsync is deprecated|deprecated pixel format|^Last message repeated/;

/** What FFmpeg writes to its standard error: bounded, whatever it writes. */
export class FfmpegLog {
  readonly #onResolutionChanged: () => void;
  readonly #onFrame: () => void;
  #line = '';
  #complaints: readonly string[] = [];
  #size: string | undefined;

  /** @param onFrame a frame has come that may not be written, because it shows nothing new */
  constructor(onResolutionChanged: () => void, onFrame: () => void = () => undefined) {
    this.#onResolutionChanged = onResolutionChanged;
    this.#onFrame = onFrame;
  }

  /** The latest complaints, oldest first. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  push(text: string): void {
    const [first = '', ...others] = text.split(/[\r\n]+/);
    this.#line = (this.#line + first).slice(0, LONGEST_LINE);
    for (const next of others) {
      this.#take(this.#line);
      this.#line = next.slice(0, LONGEST_LINE);
    }
  }

  #take(line: string): void {
    if (PASSED_FRAME.test(line)) {
      this.#onFrame();
      return;
    }
    const size = INPUT_SIZE.exec(line)?.slice(1).join('x');
    if (size !== undefined) {
      if (this.#size !== undefined && this.#size !== size) this.#onResolutionChanged();
      this.#size = size;
    }
    const complaint = COMPLAINT.exec(line)?.[1] ?? (line.startsWith('setpriv:') ? line : undefined);
    if (complaint === undefined || NOISE.test(complaint)) return;
    this.#complaints = [...this.#complaints, complaint].slice(-KEPT_LINES);
  }
}
