/**
 * Pairs rows with columns so that the sum of the pairs' weights is the greatest possible. Each row and each
 * column is in at most one pair; who gains nothing stays alone. Rows and columns in another order give the same
 * pairs, unless two solutions weigh the same.
 *
 * Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957; as Jonker and Volgenant 1987 search them),
 * O(rows² · columns).
 *
 * @param weights one array for each row, all equally long; a pair whose weight is not a number above 0 is forbidden
 * @returns for each row its column, or undefined
 */
export function heaviestMatching(weights: readonly (readonly number[])[]): (number | undefined)[] {
  const rows = weights.length;
  const columns = weights[0]?.length ?? 0;
  const weightOf = (row: number, column: number): number => {
    const weight = weights[row]?.[column] ?? 0;
    return weight > 0 && Number.isFinite(weight) ? weight : 0;
  };
  const result = new Array<number | undefined>(rows).fill(undefined);
  // The search wants at least as many columns as rows.
  const flip = rows > columns;
  const pairs = flip
    ? solve(columns, rows, (row, column) => -weightOf(column, row)).map(([row, column]) => [column, row] as const)
    : solve(rows, columns, (row, column) => -weightOf(row, column));
  for (const [row, column] of pairs) if (weightOf(row, column) > 0) result[row] = column;
  return result;
}

type Cost = (row: number, column: number) => number;

/** The cheapest way to give every row a column of its own; `rows` ≤ `columns`. */
function solve(rows: number, columns: number, cost: Cost): (readonly [row: number, column: number])[] {
  const rowPotential = new Float64Array(rows);
  // The column behind the last one is where each search begins: it holds the row that is to be placed.
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1).fill(-1);
  for (let row = 0; row < rows; row += 1) {
    rowOf[columns] = row;
    const cameFrom = new Int32Array(columns).fill(columns);
    let column = searchFreeColumn({ columns, cost, rowPotential, columnPotential, rowOf }, cameFrom);
    while (column !== columns) {
      const previous = at(cameFrom, column);
      rowOf[column] = at(rowOf, previous);
      column = previous;
    }
  }
  return Array.from(rowOf.subarray(0, columns), (row, column) => [row, column] as const).filter(([row]) => row >= 0);
}

interface Search {
  readonly columns: number;
  readonly cost: Cost;
  readonly rowPotential: Float64Array;
  readonly columnPotential: Float64Array;
  readonly rowOf: Int32Array;
}

/** Dijkstra over reduced costs, from the row that is to be placed to the nearest free column. */
function searchFreeColumn(search: Search, cameFrom: Int32Array): number {
  const { columns, cost, rowPotential, columnPotential, rowOf } = search;
  const distances = new Float64Array(columns).fill(Infinity);
  const visited = new Uint8Array(columns + 1);
  let current = columns;
  while (at(rowOf, current) >= 0) {
    visited[current] = 1;
    const row = at(rowOf, current);
    let nearest = -1;
    for (let column = 0; column < columns; column += 1) {
      if (visited[column]) continue;
      const reduced = cost(row, column) - at(rowPotential, row) - at(columnPotential, column);
      if (reduced < at(distances, column)) {
        distances[column] = reduced;
        cameFrom[column] = current;
      }
      if (nearest < 0 || at(distances, column) < at(distances, nearest)) nearest = column;
    }
    const step = at(distances, nearest);
    for (let column = 0; column <= columns; column += 1) {
      if (visited[column]) {
        const visitedRow = at(rowOf, column);
        rowPotential[visitedRow] = at(rowPotential, visitedRow) + step;
        columnPotential[column] = at(columnPotential, column) - step;
      } else if (column < columns) distances[column] = at(distances, column) - step;
    }
    current = nearest;
  }
  return current;
}

function at(values: Float64Array | Int32Array, index: number): number {
  return values[index] ?? 0;
}
