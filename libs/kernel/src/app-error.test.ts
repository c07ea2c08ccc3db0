import { describe, expect, it } from 'vitest';

import { AppError, errorMessage, isAppError } from './app-error.js';

describe('AppError', () => {
  it('is final unless it says that a retry may help', () => {
    expect(new AppError('PERSON.NOT_FOUND', 'No such person.')).toMatchObject({ retryable: false, details: {} });
    expect(new AppError('SERVICE.UNAVAILABLE', 'Not yet.', { retryable: true }).retryable).toBe(true);
  });

  it('keeps its cause, and has none when there was none', () => {
    const cause = new Error('socket closed');
    expect(new AppError('SERVICE.UNAVAILABLE', 'Not yet.', { cause }).cause).toBe(cause);
    expect('cause' in new AppError('SERVICE.UNAVAILABLE', 'Not yet.')).toBe(false);
  });

  it('is told from other errors, by its code if wanted', () => {
    const error = new AppError('IMAGE.TOO_LARGE', 'Too many pixels.');
    expect(error).toBeInstanceOf(Error);
    expect(isAppError(error)).toBe(true);
    expect(isAppError(error, 'IMAGE.TOO_LARGE')).toBe(true);
    expect(isAppError(error, 'IMAGE.TOO_SMALL')).toBe(false);
    expect([new Error('x'), { code: 'IMAGE.TOO_LARGE' }, undefined, 'x'].some((value) => isAppError(value))).toBe(
      false,
    );
  });
});

describe('errorMessage', () => {
  it('finds a line in whatever was thrown', () => {
    expect([new Error('broken'), 'text', 7, undefined, null].map(errorMessage)).toEqual([
      'broken',
      'text',
      '7',
      'undefined',
      'null',
    ]);
  });
});
