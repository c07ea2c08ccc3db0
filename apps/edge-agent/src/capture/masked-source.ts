import type { CapturedFrame, FrameSource } from './frame-source.js';
import { blacken, spansUnder, type MaskSpans, type RelativePolygon } from './region.js';

/** A source whose privacy zones are black before anybody sees a frame. */
export class MaskedSource implements FrameSource {
  readonly #source: FrameSource;
  readonly #zones: readonly RelativePolygon[];
  #mask: { readonly width: number; readonly height: number; readonly spans: MaskSpans } | undefined;

  constructor(source: FrameSource, zones: readonly RelativePolygon[]) {
    this.#source = source;
    this.#zones = zones;
  }

  get droppedFrames(): number {
    return this.#source.droppedFrames ?? 0;
  }

  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    for await (const captured of this.#source.frames(signal)) {
      const { width, height } = captured.frame;
      if (this.#mask?.width !== width || this.#mask.height !== height) {
        this.#mask = { width, height, spans: spansUnder(this.#zones, { width, height }) };
      }
      blacken(captured.frame, this.#mask.spans);
      yield captured;
    }
  }
}
