// The rules of the source tree as one function: file texts in, sentences about what breaks a rule
// out. It reads import and export lines only, type-only ones included, and knows no disk.
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import ts from 'typescript';

/** One file of src/, by its path from there, with forward slashes. */
export type SourceFiles = ReadonlyMap<string, string>;

interface Layer {
  /** Layers whose files this one may import; its own folder is always allowed. */
  readonly below: readonly string[];
  /** Packages it may import. Every one has a line in the table of dependencies that says why. */
  readonly packages: readonly string[];
  /** Whether it may import what Node brings along. */
  readonly node: boolean;
}

const LAYERS: Readonly<Record<string, Layer>> = {
  'error-cause': { below: [], packages: [], node: false },
  errors: { below: ['error-cause'], packages: [], node: false },
  options: { below: [], packages: [], node: false },
  format: { below: ['errors', 'options'], packages: ['zod'], node: false },
  stream: { below: ['format', 'errors', 'options'], packages: ['ndjson', 'zod'], node: true },
  postgres: {
    below: ['stream', 'format', 'errors', 'error-cause', 'options'],
    packages: ['pg', 'pg-cursor', 'zod'],
    node: true,
  },
  archive: {
    below: ['stream', 'format', 'errors', 'error-cause', 'options'],
    packages: ['yazl', 'yauzl', 'age-encryption', 'zod'],
    node: true,
  },
  http: { below: ['stream', 'format', 'errors', 'options'], packages: [], node: false },
  index: {
    below: ['stream', 'format', 'errors', 'error-cause', 'options'],
    packages: [],
    node: false,
  },
};

/** Absent on some machines where the package's main entry must load all the same. */
const NOT_NEEDED_BY_INDEX = ['pg', 'pg-cursor', 'yazl', 'yauzl', 'age-encryption'];

const GRAB_BAGS = /^(utils?|helpers?|common|types|interfaces|misc|shared)$/;
const KEBAB_CASE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Holds a source tree against the rules of the layers.
 *
 * @param files - every file of src/
 * @returns one sentence per violation, starting with the file's path; empty when all is well
 */
export function checkLayers(files: SourceFiles): string[] {
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  const packagesOf = new Map<string, string[]>();

  for (const [file, text] of files) {
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const say = (problem: string) => problems.push(`${file}: ${problem}`);
    checkName(file, say);
    checkExports(source, say);

    const targets: string[] = [];
    const packages: string[] = [];
    for (const specifier of moduleSpecifiers(source)) {
      if (specifier.startsWith('.')) {
        const target = resolveInside(file, specifier);
        if (files.has(target)) targets.push(target);
        else
          say(`imports ${specifier}, which is no file of src/ (write the .js name of a .ts file)`);
      } else {
        packages.push(packageName(specifier));
        checkOutside(file, specifier, say);
      }
    }
    checkDirection(file, targets, say);
    graph.set(file, targets);
    packagesOf.set(file, packages);
  }

  for (const cycle of cycles(graph)) problems.push(`${cycle.join(' → ')}: imports in a circle`);

  for (const file of reachable(graph, 'index.ts')) {
    for (const name of packagesOf.get(file) ?? []) {
      if (NOT_NEEDED_BY_INDEX.includes(name)) {
        problems.push(`${file}: is reached from index.ts, which must load without ${name}`);
      }
    }
  }
  return problems;
}

type Say = (problem: string) => void;

function checkName(file: string, say: Say): void {
  const parts = file.replace(/\.ts$/, '').split('/');
  for (const part of parts) {
    if (!KEBAB_CASE.test(part)) say(`"${part}" is not kebab-case`);
    if (GRAB_BAGS.test(part)) say(`"${part}" says nothing; name a file after its main export`);
  }
  if (!file.endsWith('.ts')) say('is not a .ts file');
  if (layerOf(file) === undefined) say(`belongs to no layer (${Object.keys(LAYERS).join(', ')})`);
}

function checkExports(source: ts.SourceFile, say: Say): void {
  const isIndex = source.fileName === 'index.ts';
  for (const statement of source.statements) {
    if (ts.isExportDeclaration(statement)) {
      const clause = statement.exportClause;
      if (clause === undefined || ts.isNamespaceExport(clause)) say('has an `export *`');
      else if (clause.elements.some((element) => element.name.text === 'default')) {
        say('has a default export');
      }
      if (isIndex && statement.moduleSpecifier === undefined) say('holds more than re-exports');
      continue;
    }
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    const isDefault = modifiers.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword);
    if (ts.isExportAssignment(statement) || isDefault) say('has a default export');
    if (isIndex) say('holds more than re-exports');
  }
}

function checkOutside(file: string, specifier: string, say: Say): void {
  const layer = layerOf(file);
  const name = packageName(specifier);
  if (specifier.startsWith('node:')) {
    if (layer?.node === false) say(`is pure and imports ${specifier}`);
  } else if (builtinModules.includes(name)) {
    say(`imports ${specifier} without node:`);
  } else if (layer?.packages.includes(name) === false) {
    say(`imports the package ${name}, which its layer does not know`);
  }
}

function checkDirection(file: string, targets: readonly string[], say: Say): void {
  const layer = layerOf(file);
  if (layer === undefined) return;
  const own = layerName(file);
  for (const target of targets) {
    const name = layerName(target);
    if (name === 'index') say('imports index.ts; import the file that has the name');
    else if (name !== own && !layer.below.includes(name)) {
      say(`imports ${target}, and ${name} does not stand below ${own}`);
    }
  }
}

function layerName(file: string): string {
  const [first = ''] = file.split('/');
  return first.replace(/\.ts$/, '');
}

function layerOf(file: string): Layer | undefined {
  const name = layerName(file);
  return Object.hasOwn(LAYERS, name) ? LAYERS[name] : undefined;
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function resolveInside(file: string, specifier: string): string {
  const path = posix.normalize(posix.join(posix.dirname(file), specifier));
  return path.endsWith('.js') ? `${path.slice(0, -'.js'.length)}.ts` : `${path} (not a .js name)`;
}

/** Everything a file names as a module: import, export from, import(), import type, require(). */
function moduleSpecifiers(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const take = (node: ts.Node | undefined) => {
    if (node && ts.isStringLiteralLike(node)) found.push(node.text);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) take(node.moduleSpecifier);
    else if (ts.isExternalModuleReference(node)) take(node.expression);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      take(node.argument.literal);
    } else if (ts.isCallExpression(node)) {
      const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
      const isRequire = ts.isIdentifier(node.expression) && node.expression.text === 'require';
      if (isImport || isRequire) take(node.arguments[0]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function reachable(graph: ReadonlyMap<string, readonly string[]>, start: string): Set<string> {
  const seen = new Set<string>();
  const queue = [start];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    queue.push(...(graph.get(file) ?? []));
  }
  return seen;
}

/** One circle per set of files that reach each other, told as a path back to where it started. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const told = new Set<string>();
  for (const start of graph.keys()) {
    if (told.has(start)) continue;
    const path = pathBack(graph, start);
    if (path === undefined) continue;
    found.push(path);
    for (const file of path) told.add(file);
  }
  return found;
}

function pathBack(
  graph: ReadonlyMap<string, readonly string[]>,
  start: string,
): string[] | undefined {
  const seen = new Set<string>();
  const paths = [[start]];
  for (let path = paths.shift(); path !== undefined; path = paths.shift()) {
    for (const next of graph.get(path.at(-1) ?? start) ?? []) {
      if (next === start) return [...path, start];
      if (seen.has(next)) continue;
      seen.add(next);
      paths.push([...path, next]);
    }
  }
  return undefined;
}
