import { S3_CREDENTIALS, startS3 } from '../../dev/s3.ts';

export type Files = Awaited<ReturnType<typeof startFiles>>;

/** A bucket of s3rver, and what a catalog and a worker need to reach it. */
export async function startFiles() {
  const server = await startS3();
  return {
    ...server,
    env: {
      LETHE_PRIVATE_HOSTS: '127.0.0.1',
      FILES_KEY: S3_CREDENTIALS.accessKeyId,
      FILES_SECRET: S3_CREDENTIALS.secretAccessKey,
    },
    /** What an entry says below `s3:`, with more of its keys. */
    s3: (more: string) =>
      `{ bucket: ${server.bucket}, endpoint: "${server.url}", credentials: { key: "env:FILES_KEY", secret: "env:FILES_SECRET" }, ${more} }`,
  };
}
