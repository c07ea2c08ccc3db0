import { describe, expect, it } from 'vitest';

import { errorDefinition, errorDefinitions } from './errors.js';

describe('the error table', () => {
  const entries = Object.entries(errorDefinitions);

  it.each(entries)(
    'gives %s the form of a code, a client or server status, and a title that is no sentence',
    (code, definition) => {
      expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)*\.[A-Z]+(?:_[A-Z]+)*$/);
      expect(definition.status).toBeGreaterThanOrEqual(400);
      expect(definition.status).toBeLessThan(600);
      expect(definition.title).toMatch(/^[A-Z].*[^.]$/);
    },
  );

  it('finds a code with its own definition', () => {
    expect(errorDefinition('PERSON.NOT_FOUND')).toEqual({
      code: 'PERSON.NOT_FOUND',
      status: 404,
      title: 'No such person',
    });
  });

  it.each(['DATABASE.QUERY_FAILED', '', 'toString', '__proto__', 'constructor'])(
    'reports %j, which clients do not know, as an internal error',
    (code) => expect(errorDefinition(code)).toMatchObject({ code: 'SERVICE.INTERNAL', status: 500 }),
  );
});
