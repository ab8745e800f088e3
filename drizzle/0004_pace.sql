CREATE TABLE "lethe"."pace" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"pace" text NOT NULL,
	"step" integer NOT NULL,
	"slots" integer NOT NULL,
	"words" text,
	"signals" jsonb NOT NULL,
	"sampled_at" timestamp with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pace_one" CHECK (one),
	CONSTRAINT "pace_pace" CHECK (pace IN ('gentle', 'balanced', 'full')),
	CONSTRAINT "pace_step" CHECK (step >= 0),
	CONSTRAINT "pace_slots" CHECK (slots >= 1)
);
