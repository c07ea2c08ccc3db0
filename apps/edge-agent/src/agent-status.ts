import type { AgentActionsStatus } from './actions/agent-actions.js';
import type { AgentImagesStatus } from './images/compose-images.js';
import type { LocalCacheStatus } from './cache/local-cache.js';
import type { OperationStatus } from './operation/operation-status.js';
import type { CameraStatus } from './pipeline/camera-pipeline.js';
import type { IdentificationCounts } from './uplink/identification-inbox.js';

/** What an agent says of itself to those on its box. Nothing of it is personal. */
export interface EdgeAgentStatus extends OperationStatus {
  readonly connected: boolean;
  readonly cameras: readonly CameraStatus[];
  /** The release that runs. */
  readonly release: { readonly version: string; readonly digest: string; readonly provider: string } | null;
  readonly outbox: {
    readonly streamId: string;
    readonly nextSequence: number;
    /** Records that the cloud has not acknowledged. */
    readonly backlog: number;
    /** Code of what keeps it from storing at the moment. */
    readonly problem: string | null;
  };
  readonly identifications: IdentificationCounts;
  /** Null where the box has none. */
  readonly cache: LocalCacheStatus | null;
  readonly actions: AgentActionsStatus;
  readonly images: AgentImagesStatus;
}
