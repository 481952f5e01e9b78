// Makes the mutants of a source file: each is one small change after which the file still compiles. A mutant
// that a stronger one covers is not made: whoever tells `a && b` from `a` and from `b` also tells it from `a || b`.
import ts from 'typescript';

/** One change to a file. */
export interface Mutant {
  /** Where, in the file's text. */
  readonly start: number;
  readonly end: number;
  /** What is put there. */
  readonly to: string;
}

// What a mutant may leave unused or unreachable is no error of it.
const tolerated = new Set([6133, 6192, 6196, 6198, 7027]);

const swapped: ReadonlyMap<ts.SyntaxKind, readonly string[]> = new Map([
  [ts.SyntaxKind.EqualsEqualsEqualsToken, ['!==']],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, ['===']],
  [ts.SyntaxKind.LessThanToken, ['<=', '>=']],
  [ts.SyntaxKind.LessThanEqualsToken, ['<', '>']],
  [ts.SyntaxKind.GreaterThanToken, ['>=', '<=']],
  [ts.SyntaxKind.GreaterThanEqualsToken, ['>', '<']],
  [ts.SyntaxKind.PlusToken, ['-']],
  [ts.SyntaxKind.MinusToken, ['+']],
  [ts.SyntaxKind.AsteriskToken, ['/']],
  [ts.SyntaxKind.SlashToken, ['*']],
  [ts.SyntaxKind.PercentToken, ['*']],
  [ts.SyntaxKind.PlusEqualsToken, ['-=']],
  [ts.SyntaxKind.MinusEqualsToken, ['+=']],
  [ts.SyntaxKind.BarToken, ['&']],
  [ts.SyntaxKind.AmpersandToken, ['|']],
  [ts.SyntaxKind.CaretToken, ['|']],
  [ts.SyntaxKind.LessThanLessThanToken, ['>>']],
  [ts.SyntaxKind.GreaterThanGreaterThanToken, ['<<']],
  [ts.SyntaxKind.QuestionQuestionEqualsToken, ['=']],
]);

const otherMethods: Readonly<Record<string, string>> = {
  some: 'every',
  every: 'some',
  min: 'max',
  max: 'min',
};
// `x.sort()` becomes `x`.
const dropped = new Set(['toLowerCase', 'filter', 'slice', 'sort', 'reverse', 'flat', 'trim']);

const logical = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);

/** The compiler's view of src/, in which one file at a time is another. */
export class Sources {
  readonly #root: string;
  readonly #service: ts.LanguageService;
  #file = '';
  #text = '';
  #version = 0;

  constructor(root: string) {
    this.#root = root;
    const config = ts.getParsedCommandLineOfConfigFile(`${root}/tsconfig.build.json`, undefined, {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: () => undefined,
    });
    if (config === undefined) throw new Error('tsconfig.build.json cannot be read');
    const versionOf = (name: string): string => (name === this.#file ? String(this.#version) : '0');
    this.#service = ts.createLanguageService({
      ...ts.sys,
      useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
      getCompilationSettings: () => config.options,
      getScriptFileNames: () => config.fileNames,
      getScriptVersion: versionOf,
      getScriptSnapshot: (name) => {
        const text = name === this.#file ? this.#text : ts.sys.readFile(name);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
    });
  }

  /** All mutants of a file, in the order of their places. */
  mutantsOf(file: string, text: string): readonly Mutant[] {
    this.#put(file, text);
    const program = this.#service.getProgram();
    const source = program?.getSourceFile(this.#file);
    if (program === undefined || source === undefined) throw new Error(`${file} is not in src/`);
    const found = new Map<string, Mutant>();
    const checker = program.getTypeChecker();
    const visit = (node: ts.Node): void => {
      if (isText(node)) return;
      for (const [target, to] of changesOf(node, checker)) {
        const mutant = { start: target.getStart(source), end: target.getEnd(), to };
        const key = `${mutant.start} ${mutant.end} ${to}`;
        if (target.getText(source) !== to && !found.has(key)) found.set(key, mutant);
      }
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(source, visit);
    return [...found.values()].sort((a, b) => a.start - b.start || a.end - b.end);
  }

  /** Whether a file with this text compiles. */
  compiles(file: string, text: string): boolean {
    this.#put(file, text);
    if (this.#service.getSyntacticDiagnostics(this.#file).length > 0) return false;
    return this.#service
      .getSemanticDiagnostics(this.#file)
      .every(({ code }) => tolerated.has(code));
  }

  #put(file: string, text: string): void {
    this.#file = `${this.#root}/${file}`;
    this.#text = text;
    this.#version += 1;
  }
}

/** Types and imports, and what only makes the text of a message. */
function isText(node: ts.Node): boolean {
  if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return true;
  if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return true;
  if (ts.isVariableDeclaration(node) || ts.isFunctionDeclaration(node)) {
    return /^more$|(message|texts?|advice)$/i.test(node.name?.getText() ?? '');
  }
  const { parent } = node;
  if (!ts.isNewExpression(parent) || !parent.arguments?.includes(node as ts.Expression))
    return false;
  const name = parent.expression.getText();
  return name === 'BackupError'
    ? parent.arguments.indexOf(node as ts.Expression) === 1
    : name.endsWith('Error');
}

type Change = readonly [ts.Node, string];

function changesOf(node: ts.Node, checker: ts.TypeChecker): readonly Change[] {
  if (ts.isStatement(node)) return changesOfStatement(node);
  if (ts.isExpression(node)) return [...asCondition(node, checker), ...changesOfExpression(node)];
  return [];
}

function changesOfStatement(node: ts.Statement): readonly Change[] {
  const isGone =
    ts.isExpressionStatement(node) ||
    ts.isThrowStatement(node) ||
    ts.isBreakStatement(node) ||
    ts.isContinueStatement(node) ||
    ts.isReturnStatement(node);
  return isGone ? [[node, ';']] : [];
}

/** What is a boolean, or decides like one, becomes true and false; a part of `a && b` is dropped instead. */
function asCondition(node: ts.Expression, checker: ts.TypeChecker): readonly Change[] {
  const { parent } = node;
  const isLiteral =
    node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword;
  if (isLiteral) return [[node, node.kind === ts.SyntaxKind.TrueKeyword ? 'false' : 'true']];
  if (ts.isWhileStatement(parent) && parent.expression === node) return [[node, 'false']];
  const decides =
    (ts.isIfStatement(parent) && parent.expression === node) ||
    (ts.isConditionalExpression(parent) && parent.condition === node);
  const gives =
    ts.isReturnStatement(parent) ||
    (ts.isArrowFunction(parent) && parent.body === node) ||
    (ts.isPropertyAssignment(parent) && parent.initializer === node) ||
    (ts.isVariableDeclaration(parent) && parent.initializer === node) ||
    (ts.isPropertyDeclaration(parent) && parent.initializer === node) ||
    (ts.isBinaryExpression(parent) && parent.right === node && isAssignment(parent)) ||
    (ts.isCallExpression(parent) && parent.arguments.includes(node));
  const isBoolean = (): boolean =>
    (checker.getTypeAtLocation(node).flags &
      (ts.TypeFlags.Boolean | ts.TypeFlags.BooleanLiteral)) !==
    0;
  return decides || (gives && isBoolean())
    ? [
        [node, 'true'],
        [node, 'false'],
      ]
    : [];
}

function isAssignment(node: ts.BinaryExpression): boolean {
  return node.operatorToken.kind === ts.SyntaxKind.EqualsToken;
}

function changesOfExpression(node: ts.Expression): readonly Change[] {
  if (ts.isBinaryExpression(node)) {
    const { left, right, operatorToken } = node;
    if (logical.has(operatorToken.kind)) {
      return [
        [node, inBrackets(left)],
        [node, inBrackets(right)],
      ];
    }
    return (swapped.get(operatorToken.kind) ?? []).map((to) => [operatorToken, to] as const);
  }
  if (ts.isNumericLiteral(node)) {
    return ts.isPropertyAssignment(node.parent) && node.parent.name === node
      ? []
      : [[node, node.text === '1' ? '0' : `(${node.getText()} + 1)`]];
  }
  if (ts.isStringLiteral(node) && node.text === '') return [[node, "'mutant'"]];
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) {
    return [[node, node.operand.getText()]];
  }
  if (ts.isArrayLiteralExpression(node)) return without(node.elements, '[', ']', node);
  if (ts.isObjectLiteralExpression(node)) return without(node.properties, '{', '}', node);
  return ts.isCallExpression(node) ? changesOfCall(node) : [];
}

function inBrackets(node: ts.Expression): string {
  return `(${node.getText()})`;
}

/** A list without each of its members in turn. */
function without(
  members: readonly ts.Node[],
  open: string,
  close: string,
  list: ts.Expression,
): readonly Change[] {
  return members.map((member) => {
    const rest = members.filter((other) => other !== member).map((other) => other.getText());
    return [list, `${open}${rest.join(', ')}${close}`] as const;
  });
}

function changesOfCall(node: ts.CallExpression): readonly Change[] {
  if (!ts.isPropertyAccessExpression(node.expression)) return [];
  const { name, expression } = node.expression;
  const other = Object.hasOwn(otherMethods, name.text) ? otherMethods[name.text] : undefined;
  if (other !== undefined) return [[name, other]];
  return dropped.has(name.text) ? [[node, expression.getText()]] : [];
}
