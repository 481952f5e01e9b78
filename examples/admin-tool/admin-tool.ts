// One run of the tool: the command line in; a result, an audit trail and an exit code out.
import { AuditLog } from './audit-log.js';
import type { Outcome, Work } from './command.js';
import { readCommandLine } from './command-line.js';
import type { Request } from './command-line.js';
import { runExport } from './export.js';
import { failureOf } from './failure.js';
import type { Failure } from './failure.js';
import { runRestore } from './restore.js';
import { jsonText, printable, Progress } from './terminal.js';
import type { Output } from './terminal.js';
import { usage } from './usage.js';
import { runShow, runVerify } from './verify.js';

/** What a process has that a run needs. */
export interface Surroundings extends Pick<Work, 'env' | 'signal'> {
  readonly stdout: Output;
  readonly stderr: Output;
}

/**
 * Runs a command line; never rejects.
 *
 * @returns the exit code: 0 all is well, 1 failed or problems found, 2 wrong usage, or what a
 * `ToolError` that the signal was aborted with says
 */
export async function runAdminTool(
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  let request: Request | 'help';
  try {
    request = readCommandLine(args);
  } catch (error) {
    const failure = failureOf(error);
    tell(surroundings.stderr, [`admin-tool: ${failure.message}`, 'admin-tool --help tells more']);
    return failure.exitCode;
  }
  if (request === 'help') {
    tell(surroundings.stdout, usage.split('\n'));
    return 0;
  }
  return runRequest(request, surroundings);
}

async function runRequest(request: Request, surroundings: Surroundings): Promise<number> {
  const { env, signal, stdout, stderr } = surroundings;
  const audit = new AuditLog(request);
  const isShown = request.progress || stderr.isTTY === true;
  const progress = new Progress(isShown ? stderr : undefined);
  try {
    await audit.write('requested');
    const begin = () => audit.write('started');
    const outcome = await run(request, { env, signal, progress, begin });
    progress.clear();
    tell(stdout, request.json ? [jsonText(outcome.result)] : outcome.lines);
    tell(stderr, request.json ? [] : outcome.notes.map((note) => `admin-tool: ${note}`));
    await audit.write('finished', outcome.audit);
    return outcome.ok ? 0 : 1;
  } catch (error) {
    progress.clear();
    // Node's own streams tell that they were stopped, and not by what.
    const isAbort = signal.aborted && error instanceof Error && error.name === 'AbortError';
    const failure = failureOf(isAbort ? signal.reason : error);
    const isAudited = await audit.write('failed', { code: failure.code }).then(
      () => true,
      () => false,
    );
    tellFailure(request, failure, stderr);
    if (!isAudited && failure.code !== 'AUDIT_FAILED') {
      tell(stderr, ['admin-tool: and the audit log cannot be written']);
    }
    return failure.exitCode;
  }
}

function run(request: Request, work: Work): Promise<Outcome> {
  switch (request.command) {
    case 'export':
      return runExport(request, work);
    case 'verify':
      return runVerify(request, work);
    case 'show':
      return runShow(request, work);
    case 'restore':
      return runRestore(request, work);
  }
}

function tellFailure({ command, json }: Request, failure: Failure, stderr: Output): void {
  const { code, message, details, advice } = failure;
  if (json) {
    tell(stderr, [jsonText({ error: { code, message, details, advice } })]);
    return;
  }
  const where = Object.entries(details)
    .filter(([, value]) => typeof value === 'number' || !message.includes(value))
    .map(([name, value]) => `${name}=${value}`);
  tell(stderr, [
    `admin-tool: ${command} failed: ${code}: ${message}`,
    ...(where.length === 0 ? [] : [`  ${where.join(' ')}`]),
    ...(advice === undefined ? [] : [`  ${advice}`]),
  ]);
}

function tell(output: Output, lines: readonly string[]): void {
  for (const line of lines) output.write(`${printable(line)}\n`);
}
