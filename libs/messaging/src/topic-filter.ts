/**
 * Whether a topic matches a topic filter (MQTT 3.1.1, section 4.7): `+` stands for one level, a last `#` for
 * the parent and any number of levels, and neither matches a first level that begins with `$`.
 */
export function matchesFilter(filter: string, topic: string): boolean {
  const pattern = filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (pattern[0] === '+' || pattern[0] === '#')) return false;
  for (const [index, expected] of pattern.entries()) {
    if (expected === '#') return true;
    const level = levels[index];
    if (level === undefined || (expected !== '+' && expected !== level)) return false;
  }
  return pattern.length === levels.length;
}

/** Whether a text may name a topic to publish on: not empty, no wildcard, no NUL (MQTT 3.1.1, 3.3.2.1 and 4.7). */
export function isTopicName(topic: string): boolean {
  return topic.length > 0 && !/[+#\0]/.test(topic);
}
