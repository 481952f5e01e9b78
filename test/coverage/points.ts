// Finds in a source file what has to be run: every statement, every function, and both ways of everything
// that decides. Each is a formula over counts of places, since an `else` that is not written has no count of its own.
import ts from 'typescript';

/** A place in the source whose runs are counted. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /** A function's own count is how often it was called, not how often it was made. */
  readonly isFunction: boolean;
}

/** Runs of `place`, less those of `less`: how often something was passed by. */
export interface Point {
  readonly kind: 'line' | 'branch';
  /** Where it stands, for a reader. */
  readonly at: number;
  /** What did not happen, when the count is 0; the source text says the rest. */
  readonly way: string;
  readonly place: Place;
  readonly less?: Place;
}

const logical: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);

function bare(node: ts.Node): ts.Node {
  return ts.isParenthesizedExpression(node) ||
    ts.isAsExpression(node) ||
    ts.isSatisfiesExpression(node) ||
    ts.isNonNullExpression(node)
    ? bare(node.expression)
    : node;
}

/** The operands of a chain of one operator. */
function operandsOf(node: ts.BinaryExpression): readonly ts.Expression[] {
  const left = bare(node.left);
  const isChain =
    ts.isBinaryExpression(left) && left.operatorToken.kind === node.operatorToken.kind;
  return [...(isChain ? operandsOf(left) : [node.left]), node.right];
}

function isChained(node: ts.BinaryExpression): boolean {
  let parent: ts.Node = node.parent;
  let child: ts.Node = node;
  while (bare(parent) === node) {
    child = parent;
    parent = parent.parent;
  }
  return (
    ts.isBinaryExpression(parent) &&
    parent.left === child &&
    parent.operatorToken.kind === node.operatorToken.kind
  );
}

/** What is compiled away, or holds statements and is none itself. */
function isRun(node: ts.Node): node is ts.Statement {
  if (!ts.isStatement(node) || ts.isBlock(node)) return false;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return false;
  if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return false;
  if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) return false;
  if (ts.isTryStatement(node) || ts.isEmptyStatement(node)) return false;
  return !ts.isLabeledStatement(node);
}

function loopCondition(node: ts.Node): ts.Expression | undefined {
  if (ts.isWhileStatement(node) || ts.isDoStatement(node)) return node.expression;
  return ts.isForStatement(node) ? node.condition : undefined;
}

/** Everything in a file that has to be run, in the order of the file. */
export function pointsOf(file: ts.SourceFile): readonly Point[] {
  const points: Point[] = [];
  const conditionStarts = new Set<number>();
  const placeOf = (node: ts.Node): Place => {
    const inner = bare(node);
    return {
      start: inner.getStart(file),
      end: inner.end,
      isFunction: ts.isFunctionExpression(inner) || ts.isArrowFunction(inner),
    };
  };
  /** The first thing that a statement runs. */
  const firstOf = (statement: ts.Statement): ts.Node | undefined => {
    if (!ts.isBlock(statement)) return statement;
    const [first] = statement.statements;
    return first && (ts.isBlock(first) || ts.isTryStatement(first)) ? undefined : first;
  };
  const add = (kind: Point['kind'], node: ts.Node, way: string, less?: ts.Node): void => {
    points.push({
      kind,
      at: node.getStart(file),
      way,
      place: placeOf(node),
      ...(less && { less: placeOf(less) }),
    });
  };
  const visit = (node: ts.Node): void => {
    if (isRun(node)) add('line', node, 'never run');
    const condition = loopCondition(node);
    if (condition) conditionStarts.add(condition.getStart(file));
    if (ts.isIfStatement(node)) {
      const then = firstOf(node.thenStatement);
      if (then) {
        add('branch', then, 'never true');
        if (!node.elseStatement) add('branch', node, 'never false', then);
      }
      const otherwise = node.elseStatement && firstOf(node.elseStatement);
      if (otherwise) add('branch', otherwise, 'never false');
    } else if (ts.isConditionalExpression(node)) {
      add('branch', node.whenTrue, 'never true');
      add('branch', node.whenFalse, 'never false');
    } else if (
      ts.isBinaryExpression(node) &&
      logical.has(node.operatorToken.kind) &&
      !isChained(node)
    ) {
      const operands = operandsOf(node);
      const sign = node.operatorToken.getText(file);
      operands.slice(1).forEach((right, index) => {
        const left = operands[index] as ts.Expression;
        add('branch', right, `never reached, after ${sign}`);
        // How often a loop asks has no count, only how often it is come to.
        if (conditionStarts.has(left.getStart(file))) return;
        add('branch', left, `never decides, before ${sign}`, right);
      });
    } else if (ts.isCaseOrDefaultClause(node)) {
      const [first] = node.statements;
      const inner = first && firstOf(first);
      if (inner) add('branch', inner, 'never the case');
    } else if (ts.isCatchClause(node)) {
      const first = firstOf(node.block);
      if (first) add('branch', first, 'never thrown');
    }
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const body = node.body;
      if (!ts.isBlock(body)) add('line', body, 'never run');
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return points;
}
