// Checks of options objects: what is misspelt, of another type or out of range is refused at once.

/** Longest time that a Node timer can wait, in milliseconds: longer ones fire at once. */
export const maxTimerMs = 2_147_483_647;

/**
 * Refuses what is no options object, and members that it should not have.
 *
 * @throws TypeError naming the option
 */
export function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError(`${where} takes an options object`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`${where} has no option ${unknown}`);
}

/**
 * Checks an option that is a whole number.
 *
 * @throws TypeError for what is no integer, RangeError outside the range
 */
export function integerOption(
  name: string,
  value: unknown,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer`);
  }
  if (value < min || value > max) {
    throw new RangeError(`${name} must be from ${min} to ${max}`);
  }
  return value;
}

/**
 * Checks an option that is a time in milliseconds, such as a timer can wait.
 *
 * @throws TypeError for what is no integer, RangeError outside the range
 */
export function timeOption(name: string, value: unknown): number {
  return integerOption(name, value, { min: 1, max: maxTimerMs });
}

/**
 * Checks an option that is a yes or a no; left out it is a no.
 *
 * @throws TypeError for anything else
 */
export function booleanOption(name: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${name} must be a boolean`);
  }
  return value === true;
}

/**
 * Checks an option that is a signal.
 *
 * @throws TypeError for anything else
 */
export function signalOption(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('signal must be an AbortSignal');
  }
  return signal;
}

/**
 * Checks an option that is called.
 *
 * @throws TypeError for what is no function
 */
export function functionOption<F>(name: string, value: F): F {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${name} must be a function`);
  }
  return value;
}
