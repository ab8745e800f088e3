import { exerciseAsked } from './exercise-asked.ts';

exerciseAsked('a service that is asked in few words');
