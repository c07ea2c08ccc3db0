import { rest } from '@sightline/contracts';
import { AppError, systemClock, type TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';

import { DeviceBenchmarks } from '../benchmarks/device-benchmarks.js';
import { digestSchema, type Model } from '../models/model-manifest.js';
import { Models } from '../models/models.js';
import { Releases } from '../releases/assemble-release.js';
import { modelCardPage } from './card/model-card-page.js';
import { modelCard, modelCardSchema, type ModelCard } from './card/model-card.js';
import { chooseVariants, variantChoiceSchema, type MeasuredLatency, type VariantChoice } from './choose-variant.js';
import { evaluationReportSchema, type EvaluationReport } from './evaluation-report.js';
import { measuredLatencies } from './measured-latencies.js';

const variantChoiceListSchema = z.object({ items: z.array(variantChoiceSchema) }).meta({ id: 'VariantChoiceList' });
/** What the import pass says of itself in a variant's report. */
const importReportSchema = z.object({ imported: z.object({ import: z.object({ rewriter: z.string() }) }) });
/** A page that is shown to whoever may read it, and does nothing: not even if an escape were forgotten. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

@ApiTags('models')
@Roles('operator', 'auditor')
@Controller('v1/models/:id')
export class EvaluationsController {
  constructor(
    private readonly models: Models,
    private readonly releases: Releases,
    private readonly benchmarks: DeviceBenchmarks,
  ) {}

  @Get('variants/:digest/card')
  @ApiOperation({ summary: 'The model card of a variant: what was measured, its origin and limits, what is unstated' })
  @ApiOkResponse({ standardSchema: modelCardSchema })
  async card(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) id: string,
    @Param('digest', { schema: digestSchema }) digest: string,
  ): Promise<ModelCard> {
    const model = await this.models.get(tenantId, id);
    return cardOf(model, digest, await this.#latencies(tenantId, model));
  }

  @Get('variants/:digest/card.html')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', PAGE_POLICY)
  @ApiOperation({ summary: 'The same as a page, for screen and print' })
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string' } })
  async page(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) id: string,
    @Param('digest', { schema: digestSchema }) digest: string,
  ): Promise<string> {
    return modelCardPage(await this.card(tenantId, id, digest));
  }

  @Get('variant-choices')
  @ApiOperation({ summary: 'Which variant of an embedder each kind of box should run, by what was measured, and why' })
  @ApiOkResponse({ standardSchema: variantChoiceListSchema })
  async choices(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) id: string,
  ): Promise<{ readonly items: readonly VariantChoice[] }> {
    const model = await this.models.get(tenantId, id);
    if (model.manifest.task !== 'embedder') {
      throw new AppError('EVALUATION.INVALID', 'Variants are chosen of embedders alone.');
    }
    const variants = model.variants.map(({ digest, kind, report }) => {
      const evaluation = evaluationIn(report);
      const own = evaluation?.task === 'embedder' ? evaluation : undefined;
      return { name: kind, digest, isReference: kind === 'imported', evaluation: own };
    });
    return { items: chooseVariants(variants, await this.#latencies(tenantId, model)) };
  }

  async #latencies(tenantId: TenantId, { manifest: { task } }: Model): Promise<readonly MeasuredLatency[]> {
    if (task !== 'embedder' && task !== 'detector') return [];
    return measuredLatencies(task, await this.benchmarks.byClass(), await this.releases.list(tenantId));
  }
}

function evaluationIn({ evaluation }: Readonly<Record<string, unknown>>): EvaluationReport | undefined {
  return evaluation === undefined ? undefined : evaluationReportSchema.parse(evaluation);
}

function cardOf(
  { manifest, variants, source }: Model,
  digest: string,
  latencies: readonly MeasuredLatency[],
): ModelCard {
  const variant = variants.find((found) => found.digest === digest);
  if (variant === undefined) throw new AppError('MODEL.NOT_FOUND', 'The model has no such variant.');
  const { name, licence, origin, trainingData, note, task, spec } = manifest;
  const rewritten = importReportSchema.safeParse(variant.report).data?.imported.import;
  return modelCard({
    model: {
      ...{ name, task, variant: variant.kind, digest, bytes: variant.bytes, input: spec.input },
      ...(manifest.task === 'embedder' && { dimension: manifest.spec.dimension }),
    },
    provenance: {
      ...{ name, source: origin, licence, trainingData },
      ...(rewritten && { imported: { from: source, rewriter: rewritten.rewriter } }),
      ...(note !== undefined && { note }),
    },
    evaluation: evaluationIn(variant.report),
    latency: latencies
      .filter(({ variantDigest }) => variantDigest === digest)
      .map(({ deviceClass, provider, devices, ms }) => ({ deviceClass, provider, devices, ms })),
    nowMs: systemClock.wallMs(),
  });
}
