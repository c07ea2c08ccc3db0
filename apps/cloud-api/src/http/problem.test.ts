import { AppError } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { InvalidRequest, problemOf } from './problem.js';

describe('a problem document', () => {
  it('carries the stable code, its status and its sentence', () => {
    expect(problemOf(new AppError('PERSON.NOT_FOUND', 'There is no person with this id.'))).toEqual({
      type: 'urn:sightline:error:PERSON.NOT_FOUND',
      title: 'No such person',
      status: 404,
      code: 'PERSON.NOT_FOUND',
      detail: 'There is no person with this id.',
      retryable: false,
    });
  });

  it('lists what does not fit, by field', () => {
    const errors = [{ path: 'name', message: 'too long' }];
    expect(problemOf(new InvalidRequest(errors))).toMatchObject({ status: 400, code: 'REQUEST.INVALID', errors });
  });

  it.each([
    new AppError('DATABASE.QUERY_FAILED', 'select secret from table'),
    new Error('password is hunter2'),
    'a string',
    undefined,
  ])('says nothing of the inside of %s', (error) => {
    const problem = problemOf(error);
    expect(problem).toMatchObject({ status: 500, code: 'SERVICE.INTERNAL' });
    expect(JSON.stringify(problem)).not.toMatch(/secret|hunter2|a string/);
  });
});
