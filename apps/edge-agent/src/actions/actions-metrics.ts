import type { Metrics, MetricSample } from '@sightline/observability';

import type { AgentActionsStatus } from './agent-actions.js';
import type { ActionRuleStatus } from './local-actions.js';

const outcomes = ['succeeded', 'failed', 'late', 'overloaded', 'coolingDown', 'clockUntrusted'] as const;

/** Metrics of local actions, by rule. A box without rules reports none of them. */
export function describeActions(metrics: Metrics, status: () => AgentActionsStatus): void {
  metrics.counter({
    name: 'sightline_edge_actions_total',
    help: 'Local actions by how they ended, or why they were not started.',
    labels: ['rule', 'outcome'],
    read: () => status().rules.flatMap(samplesOf),
  });
  metrics.gauge({
    name: 'sightline_edge_action_problem',
    help: '1 while the last action of the rule has failed or was not started.',
    labels: ['rule'],
    read: () => status().rules.map(({ ruleId, problem }) => ({ value: problem ? 1 : 0, labels: { rule: ruleId } })),
  });
  metrics.counter({
    name: 'sightline_edge_actions_overruled_total',
    help: 'Local decisions that were not acted upon, since the cloud had decided otherwise.',
    read: () => [{ value: status().overruled }],
  });
  metrics.gauge({
    name: 'sightline_edge_actions_interrupted',
    help: 'Actions that had been started when the last run ended; whether they happened is not known.',
    read: () => [{ value: status().interrupted }],
  });
}

function samplesOf(rule: ActionRuleStatus): readonly MetricSample<'rule' | 'outcome'>[] {
  return outcomes.map((outcome) => ({ value: rule[outcome], labels: { rule: rule.ruleId, outcome } }));
}
