// Options objects: a misspelt option is not ignored.

/**
 * Refuses members that an options object should not have.
 *
 * @throws TypeError naming the option
 */
export function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`${where} has no option ${unknown}`);
}
