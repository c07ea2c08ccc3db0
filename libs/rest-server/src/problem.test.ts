import { ConflictException, NotFoundException, RequestTimeoutException } from '@nestjs/common';
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

  it.each<[Error, string]>([
    [new NotFoundException('Cannot GET /x'), 'REQUEST.NOT_FOUND'],
    [Object.assign(new Error('Body is too large'), { statusCode: 413 }), 'REQUEST.TOO_LARGE'],
    [new RequestTimeoutException('too slow'), 'REQUEST.TIMEOUT'],
    [new ConflictException('in the way'), 'REQUEST.INVALID'],
  ])("gives the framework's %s the code %s and keeps its sentence", (error, code) => {
    expect(problemOf(error)).toMatchObject({ code, detail: error.message });
  });

  it.each<[Error, number | undefined]>([
    [new AppError('REQUEST.RATE_LIMITED', 'Too many.', { details: { retryAfterSeconds: 2.4 } }), 3],
    [new AppError('REQUEST.RATE_LIMITED', 'Too many.', { details: { retryAfterSeconds: 0 } }), 1],
    [new AppError('REQUEST.RATE_LIMITED', 'Too many.'), 1],
    [new AppError('SERVICE.UNAVAILABLE', 'Not yet.'), 5],
    [new AppError('PERSON.NOT_FOUND', 'Nobody.', { details: { retryAfterSeconds: 9 } }), undefined],
  ])('says when to come again, where that may help: %s', (error, seconds) => {
    expect(problemOf(error).retryAfterSeconds).toBe(seconds);
  });

  it.each([
    new AppError('DATABASE.QUERY_FAILED', 'select secret from table'),
    new AppError('SERVICE.INTERNAL', 'password is hunter2'),
    new Error('password is hunter2'),
    Object.assign(new Error('password is hunter2'), { statusCode: 500 }),
    'a string',
    undefined,
  ])('says nothing of the inside of %s', (error) => {
    const problem = problemOf(error);
    expect(problem).toMatchObject({ status: 500, code: 'SERVICE.INTERNAL', detail: problem.title });
    expect(JSON.stringify(problem)).not.toMatch(/secret|hunter2|a string/);
  });
});
