import { AppError, errorMessage } from '@sightline/kernel';
import { InferenceSession } from 'onnxruntime-node';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * What ONNX Runtime makes of a model before it runs it on this machine's CPU: the graph with all its optimisations, as
 * an ONNX file. It shows which operations were fused; it holds the layouts of this processor and is not to be shipped.
 *
 * @param model the bytes of an ONNX file
 * @throws AppError `MODEL.INVALID` when the model cannot be loaded
 */
export async function optimisedModel(model: Uint8Array): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-optimised-'));
  try {
    const optimizedModelFilePath = join(directory, 'model.onnx');
    const session = await InferenceSession.create(model, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      optimizedModelFilePath,
    });
    await session.release();
    return await readFile(optimizedModelFilePath);
  } catch (error) {
    throw new AppError('MODEL.INVALID', `ONNX Runtime cannot load the model: ${errorMessage(error)}`, { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
