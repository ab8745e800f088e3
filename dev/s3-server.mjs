// An S3 server on loopback. Usage: node --openssl-legacy-provider dev/s3-server.mjs FOLDER BUCKET PORT
import S3rver from 's3rver';
import FilesystemStore from 's3rver/lib/stores/filesystem.js';

const [directory, bucket, port] = process.argv.slice(2);

// Of two deletions that leave a folder empty, the slower one does not find it any more: the file itself is gone.
const deleteObject = FilesystemStore.prototype.deleteObject;
FilesystemStore.prototype.deleteObject = function (...of) {
  return deleteObject.apply(this, of).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
};

const server = new S3rver({
  directory,
  address: '127.0.0.1',
  port: Number(port),
  silent: true,
  configureBuckets: [{ name: bucket }],
});
const { port: taken } = await server.run();
process.stdout.write(`listening on ${taken}\n`);
