// The process around a run: DATABASE_URL=postgres://… npx tsx examples/admin-tool/main.ts --help
import { runAdminTool } from './admin-tool.js';
import { ToolError } from './failure.js';

const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const stopping = new AbortController();
for (const [signal, exitCode] of Object.entries(exitCodes)) {
  // Again and again: Ctrl-C may come twice (by the terminal, and by what started this process), and
  // what is stopped takes its file away before the process ends.
  process.on(signal, () => {
    stopping.abort(new ToolError('INTERRUPTED', `stopped by ${signal}`, exitCode));
  });
}
// Whoever reads the output may leave (`| head`): what the run does goes on, and its end tells.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', () => {
    process.exitCode = 1;
  });
}

const { env, stdout, stderr } = process;
const exitCode = await runAdminTool(process.argv.slice(2), {
  env,
  stdout,
  stderr,
  signal: stopping.signal,
});
process.exitCode ??= exitCode;
