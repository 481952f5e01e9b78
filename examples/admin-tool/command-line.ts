// What the tool was asked for: the command line, checked before anything is read or connected to.
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

import { ToolError } from './failure.js';

/** What every command takes. */
interface CommonRequest {
  readonly file: string;
  /** Print the result, and a failure, as JSON. */
  readonly json: boolean;
  /** Show progress although stderr is no terminal. */
  readonly progress: boolean;
  readonly auditLog: string | undefined;
  readonly actor: string | undefined;
}

/** Whose log, and how it is reached. */
interface LogRequest {
  readonly userId: string;
  readonly rowSecurity: 'require' | 'explicit-filter-only';
  readonly maxDurationMs: number | undefined;
}

/** Which archive to read, and whose signature it must have. */
export interface ReadRequest extends CommonRequest {
  readonly identityFiles: readonly string[];
  readonly passphraseFile: string | undefined;
  readonly trustedKeyFiles: readonly string[];
}

/** `export USER FILE` */
export interface ExportRequest extends CommonRequest, LogRequest {
  readonly command: 'export';
  readonly format: 'archive' | 'jsonl';
  readonly replaces: boolean;
  readonly allowEmpty: boolean;
  readonly signingKeyFile: string | undefined;
  readonly recipients: readonly string[];
  readonly recipientsFiles: readonly string[];
  readonly passphraseFile: string | undefined;
  readonly identityFiles: readonly string[];
}

/** `verify FILE` */
export interface VerifyRequest extends ReadRequest {
  readonly command: 'verify';
  readonly expectedUserId: string | undefined;
  readonly expectArchiveId: string | undefined;
}

/** `show FILE` */
export interface ShowRequest extends ReadRequest {
  readonly command: 'show';
}

/** `restore USER FILE` */
export interface RestoreRequest extends ReadRequest, LogRequest {
  readonly command: 'restore';
  /** Otherwise a dry run. */
  readonly writes: boolean;
  readonly onConflict: 'stop' | 'keep-existing' | 'report';
  readonly remapUser: boolean;
  readonly batchSize: number | undefined;
  readonly expectArchiveId: string | undefined;
}

/** A command line that makes sense. */
export type Request = ExportRequest | VerifyRequest | ShowRequest | RestoreRequest;

const flag = { type: 'boolean', default: false } as const;
const value = { type: 'string' } as const;
const values = { type: 'string', multiple: true, default: [] as string[] } as const;

const common = { json: flag, progress: flag, 'audit-log': value, actor: value };
const log = { 'explicit-filter-only': flag, 'max-minutes': value };
const opening = { identity: { ...values, short: 'i' }, 'passphrase-file': value };
const reading = { ...common, ...opening, 'trusted-key': values };

const exportOptions = {
  ...common,
  ...log,
  ...opening,
  format: { ...value, default: 'archive' },
  force: { ...flag, short: 'f' },
  'allow-empty': flag,
  sign: value,
  recipient: { ...values, short: 'r' },
  'recipients-file': { ...values, short: 'R' },
} as const;

const verifyOptions = { ...reading, user: value, 'expect-archive-id': value } as const;

const restoreOptions = {
  ...reading,
  ...log,
  write: flag,
  'on-conflict': { ...value, default: 'stop' },
  'remap-user': flag,
  'batch-size': value,
  'expect-archive-id': value,
} as const;

/**
 * Reads the command line.
 *
 * @throws ToolError USAGE for what it does not understand, and for what would have no effect
 */
export function readCommandLine(args: readonly string[]): Request | 'help' {
  const [command, ...rest] = args;
  if (command === 'help' || beforeDashes(args).some((arg) => arg === '--help' || arg === '-h')) {
    return 'help';
  }
  switch (command) {
    case 'export':
      return exportRequest(rest);
    case 'verify':
      return verifyRequest(rest);
    case 'show': {
      const { options, file } = parsed('show', ['FILE'], { args: rest, options: reading });
      return { command, ...readRequest(options, file) };
    }
    case 'restore':
      return restoreRequest(rest);
    case undefined:
      throw new ToolError('USAGE', 'a command is missing: export, verify, show or restore');
    default:
      throw new ToolError('USAGE', 'no such command; there are export, verify, show and restore');
  }
}

function exportRequest(args: readonly string[]): ExportRequest {
  const { options, userId, file } = parsed('export', ['USER', 'FILE'], {
    args,
    options: exportOptions,
  });
  const request: ExportRequest = {
    command: 'export',
    ...commonRequest(options, file),
    ...logRequest(options, userId),
    format: oneOf('--format', options.format, ['archive', 'jsonl']),
    replaces: options.force,
    allowEmpty: options['allow-empty'],
    signingKeyFile: options.sign,
    recipients: options.recipient,
    recipientsFiles: options['recipients-file'],
    passphraseFile: options['passphrase-file'],
    identityFiles: options.identity,
  };
  const hasRecipients = request.recipients.length + request.recipientsFiles.length > 0;
  const isSealed = hasRecipients || request.passphraseFile !== undefined;
  if (request.format === 'jsonl' && (isSealed || request.signingKeyFile !== undefined)) {
    throw new ToolError('USAGE', 'only an archive can be signed or sealed: leave --format out');
  }
  if (hasRecipients && request.passphraseFile !== undefined) {
    throw new ToolError('USAGE', 'seal for recipients or with a passphrase, not both');
  }
  if (request.identityFiles.length > 0 && !hasRecipients) {
    throw new ToolError('USAGE', '--identity verifies what is sealed for recipients: name them');
  }
  return request;
}

function verifyRequest(args: readonly string[]): VerifyRequest {
  const { options, file } = parsed('verify', ['FILE'], { args, options: verifyOptions });
  return {
    command: 'verify',
    ...readRequest(options, file),
    expectedUserId: options.user,
    expectArchiveId: options['expect-archive-id'],
  };
}

function restoreRequest(args: readonly string[]): RestoreRequest {
  const { options, userId, file } = parsed('restore', ['USER', 'FILE'], {
    args,
    options: restoreOptions,
  });
  const { 'on-conflict': onConflict, 'batch-size': batchSize } = options;
  return {
    command: 'restore',
    ...readRequest(options, file),
    ...logRequest(options, userId),
    writes: options.write,
    onConflict: oneOf('--on-conflict', onConflict, ['stop', 'keep-existing', 'report']),
    remapUser: options['remap-user'],
    batchSize: countOf('--batch-size', batchSize),
    expectArchiveId: options['expect-archive-id'],
  };
}

function parsed<const Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  names: readonly ['FILE'] | readonly ['USER', 'FILE'],
  given: { readonly args: readonly string[]; readonly options: Options },
) {
  const { options } = given;
  const { values, positionals } = parsedOrRefused({ args: [...given.args], options });
  if (positionals.length !== names.length || positionals.includes('')) {
    throw new ToolError('USAGE', `${command} takes ${names.join(' and ')}`);
  }
  const file = positionals.at(-1) ?? '';
  return { options: values, userId: positionals[0] ?? '', file };
}

function parsedOrRefused<const Config extends Pick<ParseArgsConfig, 'args' | 'options'>>(
  config: Config,
) {
  try {
    return parseArgs({ ...config, allowPositionals: true as const, strict: true as const });
  } catch (error) {
    // Its first sentence names the option and no value.
    const [first = ''] = (error instanceof Error ? error.message : '').split(/\.\s/);
    throw new ToolError('USAGE', first);
  }
}

function commonRequest(
  options: Readonly<{ json: boolean; progress: boolean; 'audit-log'?: string; actor?: string }>,
  file: string,
): CommonRequest {
  const { json, progress, 'audit-log': auditLog, actor } = options;
  if (actor !== undefined && auditLog === undefined) {
    throw new ToolError('USAGE', '--actor is for the audit log: name one with --audit-log');
  }
  return { file, json, progress, auditLog, actor };
}

type ReadOptions = Parameters<typeof commonRequest>[0] &
  Readonly<{ identity: string[]; 'passphrase-file'?: string; 'trusted-key': string[] }>;

function readRequest(options: ReadOptions, file: string): ReadRequest {
  const { identity: identityFiles, 'passphrase-file': passphraseFile } = options;
  if (identityFiles.length > 0 && passphraseFile !== undefined) {
    throw new ToolError('USAGE', 'give --identity or --passphrase-file, not both');
  }
  const trustedKeyFiles = options['trusted-key'];
  return { ...commonRequest(options, file), identityFiles, passphraseFile, trustedKeyFiles };
}

function logRequest(
  options: Readonly<{ 'explicit-filter-only': boolean; 'max-minutes'?: string }>,
  userId: string,
): LogRequest {
  const minutes = countOf('--max-minutes', options['max-minutes']);
  return {
    userId,
    rowSecurity: options['explicit-filter-only'] ? 'explicit-filter-only' : 'require',
    maxDurationMs: minutes === undefined ? undefined : minutes * 60_000,
  };
}

function oneOf<Name extends string>(option: string, given: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === given);
  if (found === undefined) throw new ToolError('USAGE', `${option} takes ${names.join(', ')}`);
  return found;
}

function countOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new ToolError('USAGE', `${option} takes a whole number from 1`);
  }
  return Number(text);
}

function beforeDashes(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end === -1 ? args : args.slice(0, end);
}
