import type { DeclaredDataset } from '../catalog/live/declared.ts';
import { problemsOf } from '../locations/object-store/problems.ts';
import { openBucket } from './bucket.ts';
import type { Destination } from './destination.ts';
import { openFolder } from './folder.ts';

type Tools = Parameters<typeof openBucket>[1];

/** Opens where the catalog says that the dataset goes. Nothing is asked of it yet. */
export function openDestination({ folder, s3 }: DeclaredDataset, tools: Tools): Destination {
  if (s3) return openBucket(s3, tools);
  return openFolder(folder as string);
}

/** What keeps it from being written with the environment as it is, in words without values. */
export const destinationProblems = ({ s3 }: DeclaredDataset, tools: Tools): string[] =>
  s3 ? problemsOf(s3, tools).map((problem) => `dataset: ${problem}`) : [];
