import { exercise } from './exercise.ts';

exercise('a table with bigint keys');
exercise('a table with uuid keys');
exercise('a table with children and bigint keys');
exercise('a table with children and uuid keys');
