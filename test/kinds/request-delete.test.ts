import { exerciseAsked } from './exercise-asked.ts';

exerciseAsked('a service with an interface of its own');
